from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Api

PRODUCE = "/api/v1/produce"
BATCH = "/api/v1/produce/batch"


@pytest.fixture(autouse=True)
def _topic(api: Api) -> None:
    api.post("/api/v1/topics", {"name": "orders", "partitions": 2})


def consume(api: Api, **query: object) -> Any:
    response = api.get("/api/v1/consume", params={"topic": "orders", **query})
    assert response.status_code == 200, response.text
    return response.json()


def test_produce_answers_with_where_the_record_is(api: Api) -> None:
    """The answer is offset and partition, and nothing else."""
    assert api.post(PRODUCE, {"topic": "orders", "value": "a", "partition": 1}).json() == {"offset": 0, "partition": 1}
    assert api.post(PRODUCE, {"topic": "orders", "value": "b", "partition": 1}).json() == {"offset": 1, "partition": 1}


def test_what_is_produced_is_consumed(api: Api) -> None:
    """A record comes back with all that it was given."""
    record = {
        "key": "k",
        "value": "v",
        "partition": 1,
        "headers": {"a": "1", "b": None},
        "timestamp": 1_770_000_000_000,
    }
    api.post(PRODUCE, {"topic": "orders", **record})

    assert consume(api, partition=1) == {"records": [{**record, "offset": 0}], "nextOffset": 1}


def test_what_is_consumed_can_be_produced(api: Api) -> None:
    """A consumed record without its offset is a record to produce, bytes and repeated headers included."""
    raw = base64.b64encode(b"\xff\x00").decode()
    headers = [["a", "1"], ["a", {"valueBase64": raw}], ["b", None]]
    record = {"partition": 0, "timestamp": 5, "keyBase64": raw, "valueBase64": raw, "headers": headers}
    assert api.post(PRODUCE, {"topic": "orders", **record}).status_code == 200

    (consumed,) = consume(api)["records"]
    offset = consumed.pop("offset")
    assert (consumed, offset) == (record, 0)

    api.post(BATCH, {"topic": "orders", "records": [consumed]})
    assert consume(api, offset=1)["records"] == [{**record, "offset": 1}]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (b'"text"', "text"),
        (b'""', ""),
        (b'"null"', "null"),
        (b'"{\\"a\\":1}"', '{"a":1}'),
        (b'"\\ud83d\\ude00 \\u00e4"', "😀 ä"),
        (b"null", None),
        (b"0", "0"),
        (b"-0.10e+5", "-0.10e+5"),
        (b"12345678901234567890123456789", "12345678901234567890123456789"),
        (b"1e999", "1e999"),
        (b"true", "true"),
        (b'{"b": 1,"a":[ 1.0,\t"\\u00e4" ], "b":2}', '{"b": 1,"a":[ 1.0,\t"\\u00e4" ], "b":2}'),
        ('{"ä": "ö"}'.encode(), '{"ä": "ö"}'),
    ],
)
def test_values_and_keys_are_taken_as_they_are(api: Api, sent: bytes, stored: str | None) -> None:
    """A string is its text, other JSON its raw text, null nothing."""
    body = b'{"topic": "orders", "partition": 0, "key": %b , "value": %b }' % (sent, sent)
    assert api.post(PRODUCE, body).status_code == 200

    (record,) = consume(api)["records"]
    assert (record["key"], record["value"]) == (stored, stored)


def test_a_batch_is_answered_in_the_order_sent(api: Api) -> None:
    """Offsets are parallel to the records, whatever partitions these went to."""
    records = [{"value": str(n), "partition": n % 2} for n in range(4)]

    assert api.post(BATCH, {"topic": "orders", "records": records}).json() == {"count": 4, "offsets": [0, 0, 1, 1]}


def test_a_batch_is_all_or_nothing(api: Api) -> None:
    """One wrong record keeps all of them out."""
    records = [{"value": "good", "partition": 0}, {"value": "bad", "partition": 9}]

    assert api.fields(BATCH, {"topic": "orders", "records": records}) == {
        "records[1].partition": "is 9, but the topic's partitions are 0 to 1"
    }
    assert consume(api)["records"] == []


def test_an_empty_batch_is_fine_and_an_unknown_topic_is_not(api: Api) -> None:
    """Nothing to append is no error; a topic that is not there is, even so."""
    assert api.post(BATCH, {"topic": "orders", "records": []}).json() == {"count": 0, "offsets": []}
    assert api.post(BATCH, {"topic": "nope", "records": []}).status_code == 404


@pytest.mark.parametrize("partition", [{}, {"partition": 0}])
def test_an_unknown_topic_is_404(api: Api, partition: dict[str, int]) -> None:
    """Produce and consume do not make topics."""
    for response in (
        api.post(PRODUCE, {"topic": "nope", "value": "a", **partition}),
        api.post(BATCH, {"topic": "nope", "records": [{"value": "a", **partition}]}),
        api.get("/api/v1/consume", params={"topic": "nope", **partition}),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "unknown_topic")


def test_a_partition_out_of_range_is_400(api: Api) -> None:
    """The field is named."""
    assert api.fields(PRODUCE, {"topic": "orders", "value": "a", "partition": 2}).keys() == {"partition"}
    assert api.fields(PRODUCE, {"topic": "orders", "value": "a", "partition": -1}) == {
        "partition": "must be an integer >= 0"
    }


def test_every_problem_of_a_record_is_named(api: Api) -> None:
    """The decoder stops at the first wrong type; the answer does not."""
    record = {"topic": 1, "partition": "0", "timestamp": "now", "headers": {"a": 1}, "valu": 5, "keyBase64": None}

    assert api.fields(PRODUCE, record) == {
        "topic": "must be a string, not an integer",
        "partition": "must be an integer or null, not a string",
        "timestamp": "must be an integer or null, not a string",
        "headers": "must be a string or an object or null, not an integer",
        "keyBase64": "must be a string, not null",
        "valu": "is not known; did you mean 'value'?",
    }


def test_every_record_with_a_problem_is_named(api: Api) -> None:
    """Types first; then, where the types are right, what the values mean."""
    assert api.fields(BATCH, {"topic": "orders", "records": [{"value": 1}, {"timestamp": ""}, 5]}).keys() == {
        "records[1].timestamp",
        "records[2]",
    }

    bad = [{}, {"value": 1, "valueBase64": ""}, {"valueBase64": "ä"}, {"value": 1, "topic": "other"}, {"value": 1}]
    assert api.fields(BATCH, {"topic": "orders", "records": bad}) == {
        "records[0].value": "is required; null makes a tombstone",
        "records[1].value": "and valueBase64 exclude each other",
        "records[2].valueBase64": "is not base64 (RFC 4648, section 4, with padding)",
        "records[3].topic": "is another one than the batch's; leave it out",
    }


def test_no_more_problems_than_a_person_reads(api: Api) -> None:
    """A hundred problems are shown."""
    assert len(api.fields(BATCH, {"topic": "orders", "records": [{}] * 500})) == 100
    assert len(api.fields(BATCH, {"topic": "orders", "records": [5] * 500})) == 100


@pytest.mark.parametrize(
    "timestamp", [-2, 1_770_000_000_000_000, 1_770_000_000_000_000_000, 10**30, -(10**30), 1.5, "x"]
)
def test_a_timestamp_that_is_no_time_is_400(api: Api, timestamp: object) -> None:
    """Micro- and nanoseconds are recognised: they would lie beyond the year 9999."""
    assert api.fields(PRODUCE, {"topic": "orders", "value": "a", "timestamp": timestamp}).keys() == {"timestamp"}


def test_an_unknown_time_can_be_produced(api: Api) -> None:
    """-1 stands for an unknown time, and none for the time of the append."""
    api.post(BATCH, {"topic": "orders", "records": [{"value": "a", "partition": 0, "timestamp": -1}]})
    api.post(BATCH, {"topic": "orders", "records": [{"value": "a", "partition": 0, "timestamp": None}]})

    unknown, now = consume(api)["records"]
    assert unknown["timestamp"] == -1
    assert now["timestamp"] > 1_700_000_000_000


@pytest.mark.parametrize(
    "headers",
    [
        5,
        "a",
        {"a": 1},
        {"a": ["b"]},
        {"a": {"valueBase64": 1}},
        {"a": {"x": "y"}},
        [["a"]],
        [["a", "b", "c"]],
        [[1, "b"]],
    ],
)
def test_headers_of_another_shape_are_400(api: Api, headers: object) -> None:
    """Headers are an object or a list of pairs, of strings, nulls and base64."""
    (field,) = api.fields(PRODUCE, {"topic": "orders", "value": "a", "headers": headers})
    assert field.startswith("headers")


def test_a_header_that_is_not_base64_is_400(api: Api) -> None:
    """Of bytes that are no base64 we would store something else."""
    assert api.fields(PRODUCE, {"topic": "orders", "value": "a", "headers": {"a": {"valueBase64": "="}}}).keys() == {
        "headers"
    }


def test_consume_goes_on_where_it_is_told(api: Api) -> None:
    """The next call goes on at nextOffset."""
    api.post(BATCH, {"topic": "orders", "records": [{"value": str(n), "partition": 0} for n in range(5)]})

    first = consume(api, max_records=2)
    rest = consume(api, offset=first["nextOffset"])

    assert [record["offset"] for record in first["records"]] == [0, 1]
    assert [record["offset"] for record in rest["records"]] == [2, 3, 4]
    assert consume(api, offset=rest["nextOffset"]) == {"records": [], "nextOffset": 5}


def test_consume_past_the_end_is_empty(api: Api) -> None:
    """In nextOffset there is the end then: the next record must not be missed."""
    api.post(PRODUCE, {"topic": "orders", "value": "a", "partition": 0})

    assert consume(api, offset=2**63 - 1) == {"records": [], "nextOffset": 1}


def test_a_consume_answer_has_a_size(api: Api) -> None:
    """Values that are long end an answer early, and the rest is where nextOffset says."""
    for _ in range(3):
        api.post(BATCH, {"topic": "orders", "records": [{"value": "x" * 300, "partition": 0}] * 40})

    seen, position = 0, 0

    while records := (answer := consume(api, offset=position, max_records=50))["records"]:
        seen += len(records)
        position = answer["nextOffset"]

    assert seen == 120


@pytest.mark.parametrize("name", ["partition", "offset", "max_records"])
@pytest.mark.parametrize("value", ["", "x", "1.0", "-1", "٣", "1_0", " 1", "+1", "9" * 25, "9" * 5000, "0x1"])
def test_a_bad_number_is_400_and_named(api: Api, name: str, value: str) -> None:
    """Numbers of the query are decimal, and within range."""
    response = api.get("/api/v1/consume", params={"topic": "orders", name: value})

    assert response.status_code == 400
    assert [problem["field"] for problem in response.json()["problems"]] == [name]


def test_every_bad_parameter_is_named(api: Api) -> None:
    """All at once, those that nobody knows included."""
    response = api.get("/api/v1/consume", params={"partition": "x", "max_records": 0, "offst": 1})

    assert {problem["field"]: problem["message"] for problem in response.json()["problems"]} == {
        "partition": "must be an integer from 0 to 2147483647, not 'x'",
        "max_records": "must be an integer from 1 to 50, not '0'",
        "topic": "is required",
        "offst": "is not known; did you mean 'offset'?",
    }


def test_an_unknown_partition_is_404(api: Api) -> None:
    """There is nothing to read at a partition that is not there."""
    response = api.get("/api/v1/consume", params={"topic": "orders", "partition": 2})

    assert (response.status_code, response.json()["code"]) == (404, "unknown_partition")


def test_a_large_batch_is_as_any_other(api: Api) -> None:
    """A body that is read in a thread has the same outcome."""
    good = {"topic": "orders", "records": [{"value": "x" * 100}] * 700}
    assert len(json.dumps(good)) > 64 * 1024
    assert api.post(BATCH, good).json()["count"] == 700
    assert api.fields(BATCH, {**good, "records": [*good["records"], {}]}) == {
        "records[700].value": "is required; null makes a tombstone"
    }
