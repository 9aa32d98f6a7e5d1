"""Views: a rulebook at one version, and which versions somebody can still see."""

from typing import Final, final
from weakref import ref

from pdp.compiler.plan import Plans


@final
class View:
    """The rulebook at one version. As long as it lives, nothing that it can see is taken out."""

    __slots__ = ("__weakref__", "plans", "version")

    def __init__(self, version: int, plans: Plans) -> None:
        self.version: Final = version
        self.plans: Final = plans


@final
class Views:
    """The views that live, in the order of their versions. One thread at a time; views die in any."""

    __slots__ = ("_by_version",)

    def __init__(self) -> None:
        self._by_version: Final[dict[int, ref[View]]] = {}

    def of(self, version: int, plans: Plans) -> View:
        """The view of a version, which is the newest."""
        known = self._by_version.get(version)
        view = None if known is None else known()
        if view is None:
            view = View(version, plans)
            self._by_version[version] = ref(view)
        return view

    def versions(self) -> list[int]:
        """The versions of the views that live, ascending."""
        living = [version for version, view in self._by_version.items() if view() is not None]
        if len(living) < len(self._by_version):
            for version in self._by_version.keys() - living:
                del self._by_version[version]
        return living
