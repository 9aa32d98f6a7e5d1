"""Built bundles: parsed, validated and compiled once, and read by any number of processes in a fraction of that time.

Whom it trusts. A built bundle holds code objects: **whoever makes one can do whatever the process can that reads it**,
and to read damaged code may crash it. So nothing of a file is unpacked before the SHA-256 of the whole file is known to
be one that the reader was given from elsewhere:

- by the operator, in the configuration or on the command line, beside the name of the file; `pdp build` prints it.
  There is no way to read a file without it, and no default. Who may change the configuration could name another program
  to run anyway;
- or by this process's own child, through the pipe that only the two have (`process`).

The hash that a file holds of itself is no proof of anything: it finds damage by accident, and names it. Nothing is
signed: who may say which hash is the right one, and who may write the file, are two questions, and only the first one
matters. Building is reproducible: the same sources give the same bytes, on any machine with the same versions, so that
whoever doubts a hash can build anew and compare.

A file serves one version of this program, of Cedar and of Python, as its header says (`header`). Where the sources are
there as well, they must be the ones that it was built from. Any other file is refused by the name of what is wrong with
it, and where that is allowed, the sources are read instead.

    header       what the file is, and what it is for
    writing      a bundle to bytes
    reading      bytes to a bundle, in steps
    policies, expressions, scopes, constants, schemas      what is in a bundle, as tuples that `marshal` writes
    process      building in a process of its own
"""
