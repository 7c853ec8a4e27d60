from vault.contract.ids import sources, without_secrets
from vault.contract.options import methods
from vault.v1.card_service_pb2 import ListCardsResponse
from vault.v1.issuance_service_pb2 import IssueCardsResponse, IssuedCard
from vault.v1.resources_pb2 import Card

CODE = "4000001234567899"


def test_every_kind_of_id_that_can_be_listed_has_its_method() -> None:
    found = {source.name: source.method.name.rpartition("/")[2] for source in sources(methods())}
    assert found == {
        "batch_id": "ListBatches",
        "card_id": "ListCards",
        "hold_id": "ListHolds",
        "incident_id": "ListIncidents",
        "job_id": "ListRotationJobs",
    }


def test_the_first_id_is_read_from_an_answer() -> None:
    (source,) = (source for source in sources(methods()) if source.name == "card_id")
    assert (
        source.first(ListCardsResponse(cards=[Card(card_id="one"), Card(card_id="two")]).SerializeToString()) == "one"
    )
    assert source.first(b"") == ""


def test_what_is_delivered_is_left_out_at_any_depth_and_nothing_else() -> None:
    answer = IssueCardsResponse(cards=[IssuedCard(card_id="one", code=CODE), IssuedCard(serial="S", code=CODE)])
    left = IssueCardsResponse(cards=[IssuedCard(card_id="one"), IssuedCard(serial="S")])
    assert without_secrets(answer) == left
