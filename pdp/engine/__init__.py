"""The decision: facts joined to a request, compiled policies asked, the answer explained."""
