"""Links between the documents lead somewhere."""

from __future__ import annotations

from tests.docs.documents import links


def test_what_is_linked_to_is_there() -> None:
    found = list(links())
    assert found
    missing = [(path.name, to) for path, to in found if not (path.parent / to).exists()]
    assert not missing
