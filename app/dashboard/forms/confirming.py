"""Questions before what cannot be undone: a page that asks, and sends the same form again."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

OWN_FIELDS = ("csrf", "confirmed")


def is_confirmed(visit: Visit) -> bool:
    """Whether the visitor has said yes: here, or in the question that the script asks."""
    return visit.form.get("confirmed") == "yes"


def ask(visit: Visit, question: str, sentence: str, button: str, back: str) -> PageResponse:
    """The page that asks. ``button`` says what will be done; ``back`` is the address for "no"."""
    fields = [(name, value) for name, value in visit.form.pairs if name not in OWN_FIELDS]
    return visit.render(
        "confirm.html",
        question=question,
        sentence=sentence,
        button=button,
        back=back,
        fields=fields,
    )
