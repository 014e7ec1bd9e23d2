from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_elasticsearch_sink._answers import Conflicts, Garbled, Outcome, failure, is_supported, outcome


def answer(*results: dict[str, object]) -> bytes:
    return json.dumps({"took": 3, "errors": True, "items": [{"index": result} for result in results]}).encode()


def refused(status: int, kind: str = "x", reason: str | None = "y", cause: str | None = None) -> dict[str, object]:
    return {"status": status, "error": {"type": kind, "reason": reason, "caused_by": cause and {"reason": cause}}}


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_written(status: int):
    """Any 2xx means that the document is written."""
    assert outcome(answer({"status": status}), [0]) == Outcome()


@pytest.mark.parametrize(
    "result",
    [
        refused(429, "es_rejected_execution_exception"),
        refused(429, "anything"),
        refused(503, "unavailable_shards_exception"),
        refused(500, "anything"),
        refused(403, "cluster_block_exception"),
        refused(400, "es_rejected_execution_exception"),
        refused(403, "cluster_block_exception", "blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage]"),
        refused(429, "circuit_breaking_exception"),
        refused(400, "process_cluster_event_timeout_exception"),
        {"status": 502},
    ],
)
def test_refused_for_now(result: dict[str, object]):
    """Status or type says that the document may be written later."""
    found = outcome(answer({"status": 201}, result), [4, 7])
    assert list(found.again) == [7]
    assert not found.rejected


@pytest.mark.parametrize(
    "result",
    [
        refused(400, "document_parsing_exception"),
        refused(400, "mapper_parsing_exception"),
        refused(400, "illegal_argument_exception"),
        refused(409, "version_conflict_engine_exception"),
        refused(404, "document_missing_exception"),
        {"status": 400},
        {"status": 302},
        {"status": 0},
    ],
)
def test_refused_for_ever(result: dict[str, object]):
    """Everything else that is no success is the document's own fault."""
    found = outcome(answer(result, {"status": 201}), [4, 7])
    assert list(found.rejected) == [4]
    assert not found.again


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, "security_exception"),
        (403, "status_exception"),
        (401, "anything"),
        (400, "security_exception"),
        (400, "index_closed_exception"),
        (400, "routing_missing_exception"),
        (400, "document_source_missing_exception"),
    ],
)
def test_refused_until_somebody_acts(status: int, kind: str):
    """Rights, closed indexes, a mapping that wants routes or keeps no values are not the document's fault."""
    assert outcome(answer(refused(status, kind, "no")), [0]) == Outcome(blocked=f"{kind}: no")


def test_what_a_pipeline_refuses_is_the_documents_fault():
    """Though the status is 500, which it would be for ever."""
    body = answer(refused(500, "fail_processor_exception", "no tenant"), refused(500, "node_closed_exception"))
    found = outcome(body, [4, 7])
    assert found.rejected == {4: "fail_processor_exception: no tenant"}
    assert list(found.again) == [7]


@pytest.mark.parametrize(
    "reason",
    [
        "pipeline with id [enrich] does not exist",
        "only write ops with an op_type of create are allowed in data streams",
        "no write index is defined for alias [orders]. The write index may be explicitly disabled",
        "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open;",
        "specifying routing is not supported because the destination index [ts] is in time series mode",
        "update is not supported because the destination index [ts] is in time series mode",
        "index request targeting data stream [logs] specifies a custom routing but the [allow_custom_routing] setting was not enabled in",
        "Alias [logs] has index routing associated with it [z], and was provided with routing value [x], rejecting operation",
    ],
)
def test_what_the_server_lacks_is_no_documents_fault(reason: str):
    """Though the status says so, nothing is made a dead letter for a pipeline that somebody has removed."""
    found = outcome(answer(refused(400, "illegal_argument_exception", reason)), [0])
    assert reason[:20] in (found.blocked or "")
    assert not found.rejected


def test_an_index_that_makes_its_own_ids_is_no_documents_fault():
    """Elasticsearch says it in the cause: every document would be refused for the id that we give it."""
    cause = "_id must be unset or set to [AbC] but was [orders+0+0] because [ts] is in time_series mode"
    found = outcome(answer(refused(400, "document_parsing_exception", "[1:9] failed to parse", cause)), [0])
    assert cause in (found.blocked or "")


@pytest.mark.parametrize(
    "reason",
    [
        "failed to parse field [n] of type [long] in document with id '1'. Preview of field's value: 'pipeline with id [x] does not exist'",
        "mapper [no write index is defined for alias] cannot be changed from type [long] to [text]",
        "failed to parse: maximum normal shards open",
    ],
)
def test_what_a_document_says_does_not_stop_the_others(reason: str):
    """Elasticsearch quotes it: words that would stop the connector count only where they are the server's own."""
    found = outcome(answer(refused(400, "document_parsing_exception", reason, reason)), [0])
    assert list(found.rejected) == [0]


def test_what_a_pipeline_says_of_a_document_does_not_stop_the_others():
    """Its words may be those of the document."""
    reason = "no write index is defined for alias"
    assert list(outcome(answer(refused(500, "fail_processor_exception", reason)), [0]).rejected) == [0]


def test_an_index_that_is_not_there_may_be_made_again():
    """It was deleted in the moment between its making and the writing, or nobody makes it: the next answer will tell."""
    found = outcome(answer(refused(404, "index_not_found_exception", "no such index [x]")), [4])
    assert list(found.again) == [4]
    assert found.missing == "index_not_found_exception: no such index [x]"


@pytest.mark.parametrize("action", ["index", "create", "update", "delete"])
def test_every_action_is_understood(action: str):
    """Each with its own name in the answer."""
    body = json.dumps({"items": [{action: {"status": 200}}, {action: refused(429)}]}).encode()
    given: dict[str, Any] = {"deletions": {4, 7}} if action == "delete" else {"action": action}
    assert list(outcome(body, [4, 7], **given).again) == [7]


@pytest.mark.parametrize("sent", ["index", "create", "update", "delete"])
@pytest.mark.parametrize("named", ["index", "create", "update", "delete"])
def test_an_answer_to_another_action_is_ambiguous(sent: str, named: str):
    """It is that to another request, however good it is."""
    body = json.dumps({"items": [{"index": {"status": 200}}, {named: {"status": 200}}]}).encode()
    given: dict[str, Any] = {"deletions": {7}} if sent == "delete" else {"action": sent}

    if sent == named == "index" or (sent == named == "delete"):
        assert outcome(body, [4, 7], **given) == Outcome()
        return

    with pytest.raises(Garbled, match="an action that was not sent"):
        outcome(body, [4, 7], **given)


@pytest.mark.parametrize("result", [{"status": 404}, refused(404, "index_not_found_exception")])
def test_what_is_not_there_is_deleted(result: dict[str, object]):
    """A delete of the absent, or in an index that is, has nothing left to do."""
    assert outcome(json.dumps({"items": [{"delete": result}]}).encode(), [0], deletions={0}) == Outcome()


def test_what_a_conflict_means_is_given():
    """It is a success where versions or ids explain it, and another try where somebody else wrote at the moment."""
    body = answer({"status": 201}, refused(409, "version_conflict_engine_exception"))
    assert outcome(body, [4, 7], conflicts=Conflicts.STALE) == Outcome(stale=1)
    assert list(outcome(body, [4, 7], conflicts=Conflicts.AGAIN).again) == [7]
    assert list(outcome(body, [4, 7]).rejected) == [7]
    assert outcome(answer({"status": 409}), [0], conflicts=Conflicts.STALE) == Outcome(stale=1)


@pytest.mark.parametrize("conflicts", Conflicts)
def test_a_conflict_of_another_kind_is_not_taken_for_one_of_versions(conflicts: Conflicts):
    """Something else says 409: the document was not written."""
    assert outcome(answer(refused(409, "status_exception", "y")), [0], conflicts=conflicts).rejected == {
        0: "status_exception: y"
    }


def test_only_429_says_that_there_was_too_much():
    """A block or a missing shard is no matter of how much is sent at once."""
    assert outcome(answer(refused(429)), [0]).is_busy
    assert outcome(answer(refused(503, "rejected_execution_exception")), [0]).is_busy
    blocked = (refused(status, "cluster_block_exception") for status in (403, 429))
    assert not outcome(answer(refused(503), *blocked), [0, 1, 2]).is_busy


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x-elastic-product": "Elasticsearch"}, b"", True),
        ({}, b'{"version":{"distribution":"opensearch","number":"2.19.1"}}', True),
        ({}, b'{"version":{"number":"7.10.2"}}', False),
        ({"x-elastic-product": "Other"}, b"{}", False),
        ({}, b"<html>", False),
    ],
)
def test_who_greets(headers: dict[str, str], body: bytes, expected: bool):
    """Elasticsearch says it in a header, OpenSearch in the body."""
    assert is_supported(headers, body) is expected


def test_the_reason_names_type_words_and_cause_and_has_an_end():
    """The cause is told where it says more."""
    result = refused(400, "t", "failed to parse")
    result["error"]["caused_by"] = {"reason": "For input string: abc"}  # type: ignore[index]  # it is a dict
    assert outcome(answer(result), [0]).rejected == {0: "t: failed to parse (For input string: abc)"}
    assert len(outcome(answer(refused(400, "t", "x" * 9999)), [0]).rejected[0]) == 1000
    assert outcome(answer(refused(400, "t", None)), [0]).rejected == {0: "t: no reason given"}


def test_errors_false_is_not_believed():
    """Each document's own status decides."""
    lying = b'{"errors":false,"items":[{"index":{"status":400}}]}'
    assert list(outcome(lying, [0]).rejected) == [0]


def test_an_error_with_a_good_status_is_ambiguous():
    """Neither of the two is believed."""
    with pytest.raises(Garbled, match="an error with status 201"):
        outcome(answer(refused(201)), [0])


WHOLE = answer({"status": 201}, refused(429), refused(400, "t", "\u00e9"), {"status": 200})


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_an_answer_that_is_cut_off_anywhere_is_ambiguous(length: int):
    """At every byte: no document is taken for written, nor for refused."""
    with pytest.raises(Garbled):
        outcome(WHOLE[:length], [0, 1, 2, 3])


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_an_answer_with_a_wrong_byte_makes_nothing_written_that_was_not(at: int, byte: int):
    """It is ambiguous, or what was refused is still refused, or it is the status that was changed, to another good one."""
    damaged = WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :]

    try:
        found = outcome(damaged, [0, 1, 2, 3])
    except Garbled:
        return

    for index in (1, 2):
        assert found.blocked or index in {**found.again, **found.rejected}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>",
        b'{"items":[]}',
        b'{"items":[{"index":{"status":201}},{"index":{"status":201}}]}',
        b'{"items":[{"unknown":{"status":201}}]}',
        b'{"items":[{"index":{}}]}',
        b'{"items":[{"index":{"status":"201"}}]}',
        b'{"items":[{"index":{"status":201}}]',
        b'{"items":[{"index":{"status":400,"error":{"type":"\xff"}}}]}',
        b"[" * 100_000,
    ],
)
def test_anything_else_is_ambiguous(body: bytes):
    """An answer that is not about exactly the documents sent says nothing about them."""
    with pytest.raises(Garbled):
        outcome(body, [0])


@given(st.binary())
def test_no_bytes_are_taken_for_success(body: bytes):
    """Garbage is ambiguous, and never an error of another kind."""
    with pytest.raises(Garbled):
        outcome(body, [0, 1])

    failure(body)


def test_why_a_request_was_refused():
    """Elasticsearch's words, or nothing where somebody else speaks."""
    assert str(failure(b'{"error":{"type":"t","reason":"r"},"status":400}')) == "t: r"
    assert failure(b'{"error":"no handler found for uri"}') is None
    assert failure(b"<html>") is None
