"""When things happened: which offsets there are, whose clock counts, and which one is broken."""

from datetime import UTC, datetime

import pytest
from landed import EVENT, EVENTS, RECEIPTS, World, csv_text, event

from sources.loader.load import load_table

LATE = datetime(2031, 1, 1, tzinfo=UTC)


def _till(world: World, *times: str) -> list[str]:
    """The times that get through of receipt lines with these."""
    rows = [{"sold_at": time, "line_no": str(line)} for line, time in enumerate(times)]
    world.land(RECEIPTS, "a.csv", csv_text(*rows))
    world.load(RECEIPTS)
    return [time for (time,) in world.raw(RECEIPTS, "sold_at")]


def _events(world: World, *lines: str) -> list[str]:
    """The UTC times that get through of events."""
    world.land(EVENTS, "a.ndjson", "\n".join(lines) + "\n")
    world.load(EVENTS)
    return [f"{time:%Y-%m-%d %H:%M:%S}" for (time,) in world.raw(EVENTS, "timestamp")]


def test_offsets_from_minus_12_to_plus_14_hours_are_those_there_are(world: World) -> None:
    there_are = {
        "+14:00": "2024-05-01 06:00:00",
        "+1400": "2024-05-01 06:00:00",
        "+14": "2024-05-01 06:00:00",
        "+13:45": "2024-05-01 06:15:00",
        "+05:30": "2024-05-01 14:30:00",
        "-00:00": "2024-05-01 20:00:00",
        "-11:59": "2024-05-02 07:59:00",
        "-12:00": "2024-05-02 08:00:00",
        "-12": "2024-05-02 08:00:00",
    }
    times = [f"2024-05-01T20:00:00{offset}" for offset in there_are]
    assert _events(world, *(event(timestamp=f'"{time}"') for time in times)) == list(
        there_are.values()
    )
    assert _till(world, *times) == times


def test_an_offset_that_no_place_has_is_no_time(world: World) -> None:
    # DuckDB takes every one of them.
    nowhere = ("+15:00", "+14:30", "+14:01", "-12:01", "-13:00", "+99:99", "-99", "+05:60", "+24")
    times = [f"2024-05-01T20:00:00{offset}" for offset in nowhere]
    assert _events(world, *(event(timestamp=f'"{time}"') for time in times)) == []
    assert _till(world, *times) == []
    for table in (EVENTS, RECEIPTS):
        assert {rule for _, rule in world.quarantine(table)} == {"invalid_timestamp"}


def _sent(original: str, sent: str, received: str) -> str:
    times = {"originalTimestamp": original, "sentAt": sent, "receivedAt": received}
    return event(timestamp="", **{name: f'"{time}"' for name, time in times.items() if time})


def test_a_devices_clock_may_be_years_off(world: World) -> None:
    received = "2024-05-01T10:00:01Z"
    lines = [
        _sent("2024-05-01T09:59:50Z", "2024-05-01T10:00:00Z", received),
        # in 2000, as a device that lost its battery; in 1970; years ahead
        _sent("2000-01-01T00:00:07Z", "2000-01-01T00:00:17Z", received),
        _sent("1970-01-01T00:00:00Z", "1970-01-01T00:00:10Z", received),
        _sent("2038-01-19T03:14:07Z", "2038-01-19T03:14:17Z", received),
        # by way of other offsets
        _sent("2000-01-01T03:00:07+03:00", "2000-01-01T00:00:17Z", "2024-05-01T05:00:01-05:00"),
    ]
    assert _events(world, *lines) == ["2024-05-01 09:59:51"] * len(lines)


def test_an_event_that_waited_on_the_device_happened_when_it_did(world: World) -> None:
    waited = _sent("2031-01-01T00:00:00Z", "2031-03-02T00:00:00Z", "2024-03-01T00:00:00Z")
    assert _events(world, waited) == ["2024-01-01 00:00:00"]


def test_a_clock_that_nobody_can_set_right_tells_no_time(world: World) -> None:
    noon = "2024-05-01T12:00:00Z"
    assert _events(world, _sent("", noon, noon), _sent(noon, "", noon), _sent(noon, noon, "")) == []
    assert world.quarantine(EVENTS) == [(line, "missing_value") for line in (1, 2, 3)]


def test_an_events_own_time_needs_no_other(world: World) -> None:
    wrong = '"2031-01-01T00:00:00Z"'
    own = event(originalTimestamp=wrong, sentAt=wrong, receivedAt='"2024-05-01T10:00:01Z"')
    assert _events(world, own) == ["2024-05-01 10:00:00"]


def test_an_event_happens_no_more_than_a_day_after_it_was_received(world: World) -> None:
    broken = {
        # what was imported, or waited on a phone, is as old as it is
        "1990-01-01T00:00:00Z": None,
        "2016-02-29T10:00:00Z": None,
        # a client that writes the time of its time zone with a Z
        "2024-05-02T00:00:00Z": None,
        "2024-05-02T10:00:00Z": None,
        "2024-05-02T10:00:00.000001Z": "clock_ahead",
        "2027-05-01T10:00:00Z": "clock_ahead",
        "2100-01-01T00:00:00Z": "implausible_time",
        "1989-12-31T23:59:59Z": "implausible_time",
    }
    received = '"2024-05-01T10:00:00Z"'
    times = _events(world, *(event(timestamp=f'"{t}"', receivedAt=received) for t in broken))
    assert len(times) == 4
    assert world.quarantine(EVENTS) == [
        (line, rule) for line, rule in enumerate(broken.values(), start=1) if rule
    ]


def test_a_clock_that_was_set_while_an_event_waited_is_ahead(world: World) -> None:
    """The device said 2031, was set right, and sent."""
    noon = "2024-05-01T12:00:00Z"
    assert _events(world, _sent("2031-05-01T10:00:00Z", noon, noon)) == []
    assert world.quarantine(EVENTS) == [(1, "clock_ahead")]


def test_the_time_of_the_load_says_nothing_of_a_row(world: World) -> None:
    """A till doesn't say when its rows were received; the gate looks at those that are ahead."""
    world.land(RECEIPTS, "a.csv", csv_text({"sold_at": "2030-06-01T10:00:00"}))
    world.land(EVENTS, "a.ndjson", event(timestamp='"2030-06-01T10:00:00Z"') + "\n")
    for table in (RECEIPTS, EVENTS):
        early = world.load(table)
        kept = world.raw(table, "* exclude (_loaded_at)")
        for file in (world.data / "raw" / table.source / table.name).glob("[!_]*.parquet"):
            file.unlink()
        late = load_table(table, world.data, loaded_at=LATE)
        assert early.rows == late.rows == 1
        assert world.raw(table, "* exclude (_loaded_at)") == kept


@pytest.mark.parametrize("year", ["290000", "20240", "-0024"])
def test_a_year_beyond_all_counting_keeps_out_no_other_row(world: World, year: str) -> None:
    far = f"{year}-01-01T00:00:00Z"
    lines = [
        EVENT,
        _sent(far, "0001-01-01T00:00:00Z", far),
        event(receivedAt=f'"{far}"'),
        _sent("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ]
    world.land(EVENTS, "a.ndjson", "\n".join(lines) + "\n")
    assert world.load(EVENTS).rows == 1
    assert world.quarantine(EVENTS) == [
        (2, "missing_value"),
        (3, "invalid_timestamp"),
        (4, "implausible_time"),
    ]
