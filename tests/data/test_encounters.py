"""Encounters by time and by day."""

import datetime

from PIL import Image

from tests.data.formats.folder import photo, table
from whale_jax.data import annotations, encounters
from whale_jax.data.rows import Settings

START = datetime.datetime(2021, 4, 2, 10, 0)


def after(*minutes):
    return [None if m is None else START + datetime.timedelta(minutes=m) for m in minutes]


def test_an_encounter_ends_where_the_gap_is_longer():
    names = encounters.by_time(["a"] * 5, after(0, 9, 18, 29, None), cameras=[""] * 5, gap_minutes=10)
    assert names == ["2021-04-02 10:00:00 a"] * 3 + ["2021-04-02 10:29:00 a", ""]


def test_whales_are_apart_and_the_unnamed_are_joined_by_their_camera():
    whales, cameras = ["a", "b", "", "", ""], ["x", "x", "x", "x", "y"]
    names = encounters.by_time(whales, after(0, 1, 2, 3, 3), cameras=cameras, gap_minutes=10)
    assert len({*names}) == 4
    assert names[2] == names[3] == "2021-04-02 10:02:00 x"


def test_the_order_of_photos_does_not_matter():
    times = after(30, 0, 25, 5)
    names = encounters.by_time(["a"] * 4, times, cameras=[""] * 4, gap_minutes=10)
    assert [names[0], names[1]] == [names[2], names[3]]
    assert names[0] != names[1]


def test_by_day_only_where_whale_and_day_are_known():
    assert encounters.by_day(["a", "", "a"], ["2021-04-02 10:00", "2021-04-02", "2021"]) == ["2021-04-02 a", "", ""]


def test_the_hour_is_no_part_of_a_day():
    days = {
        **dict.fromkeys(["4/2/2019 9:50", "4/2/2019 10:05", "4/2/2019"], "4/2/2019 a"),
        **dict.fromkeys(["20190402", "20190402_101500_3", "201904021015"], "20190402 a"),
        **dict.fromkeys(["2019:04:02 10:00:00", "2019:04:02"], "2019:04:02 a"),
        **dict.fromkeys(["2019_04_02_101500", "2019_04_02"], "2019_04_02 a"),
        "2 April 2019": "2 April 2019 a",
        "2019-04-02T10:05": "2019-04-02 a",
        **dict.fromkeys(["2019-04", "1555027200"], ""),  # the second is a time of Unix
    }
    assert encounters.by_day(["a"] * len(days), [*days]) == [*days.values()]


def test_dates_that_name_no_day_are_pointed_at():
    dates = ["2019-04-02", "spring 2019", "", "April 2"]
    days, lines = encounters.name(["a"] * 4, dates, notes=[], gap_minutes=10)
    assert days == ["2019-04-02 a", "", "", ""]
    assert lines[1] == "2 dates, such as 'spring 2019', name no day: write them as 2019-04-02"


def test_times_of_cameras_make_encounters_unless_a_table_names_them(tmp_path):
    for i, text in enumerate(
        ["2021:04:02 10:00:00", "2021:04:02 10:03:00", "2021:04:02 15:00:00", "0000:00:00 00:00:00"]
    ):
        exif = Image.Exif()
        exif[0x010F], exif[0x0112] = "Canon", 0
        exif.get_ifd(0x8769)[0x9003] = text
        photo(tmp_path / f"{i}.jpg", exif=exif)
    catalogue = annotations.read(tmp_path)
    named = ["2021-04-02 10:00:00 Canon"] * 2 + ["2021-04-02 15:00:00 Canon", ""]
    assert [entry.encounter for entry in catalogue.photos] == named
    assert any("without their time zones" in line for line in catalogue.warnings)
    longer = annotations.read(tmp_path, Settings(gap_minutes=600.0))
    assert len({entry.encounter for entry in longer.photos}) == 2
    table(tmp_path / "w.csv", ["Image", "sighting"], ["0.jpg", "s1"])
    assert [entry.encounter for entry in annotations.read(tmp_path).photos] == ["s1", "", "", ""]
