"""The page of the real evidence: docs/real_evidence.md and docs/images/real_evidence_*.svg, written from the figures.

Every number in the text is looked up among the figures, so that page and figures cannot disagree.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import altair as alt
import polars as pl

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "real_evidence.md"
IMAGES = DOCS / "images"
# Of a ratio of half-lives: beyond this a resample did not revert at all.
NO_BOUND = 100.0
DIGITS = {"%": 1, "% a session": 2, "points": 2, "sessions": 1, "ratio": 2}
WIDTH = 120
MIXED = "VIX in points, others in %"
AFTERMATH = tuple(f"{what}, next {horizon}" for what in ("VIX", "VX held", "SPX") for horizon in (5, 10, 21))
RATIO = "half-life of 30-day VX over that of VIX"
FASTER = "share in which VX reverts faster"
COLORS = ("#1f77b4", "#d62728", "#7f7f7f")


@dataclass(frozen=True)
class Figure:
    """One figure: the section and row it stands in, what it is, and what it rests on; numbers in `unit`."""

    section: str
    row: str
    name: str
    unit: str
    n: int
    estimate: float | None
    low_95: float | None
    high_95: float | None


@dataclass(frozen=True)
class Histories:
    """The real tables, and one row a session with everything beside each other (`daily`)."""

    tables: dict[str, pl.DataFrame]
    daily: pl.DataFrame


class Told:
    """Figures by section, row and name, as text."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._by_name = {(one.section, one.row, one.name): one for one in figures}

    def of(self, section: str, row: str, name: str) -> Figure:
        """Return one figure."""
        return self._by_name[section, row, name]

    def say(self, section: str, row: str, name: str) -> str:
        """Return "12.3% (10.1 to 14.5, n = 250)"."""
        one = self.of(section, row, name)
        return f"{_number(one, one.estimate)}{_unit(one)} ({_interval(one)}n = {one.n:,})"

    def table(self, section: str, names: Sequence[str], *, corner: str = "", rows: Sequence[str] = ()) -> list[str]:
        """Return a Markdown table of a section: a row for each row, estimate, interval and n for each name."""
        found = list(rows) or self.rows(section)
        lines = [f"| {corner} | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
        for row in found:
            cells = [self._cell(section, row, name) for name in names]
            if any(cells):
                lines.append(f"| {row} | " + " | ".join(cells) + " |")
        return [*lines, ""]

    def rows(self, section: str) -> list[str]:
        """Return the rows of a section, in order."""
        return list(dict.fromkeys(row for own, row, _ in self._by_name if own == section))

    def _cell(self, section: str, row: str, name: str) -> str:
        one = self._by_name.get((section, row, name))
        return f"{_number(one, one.estimate)} ({_interval(one)}{one.n:,})" if one else ""


def _number(one: Figure, value: float | None) -> str:
    if value is None:
        return "-"
    if one.section == "half-lives" and one.unit == "ratio" and value > NO_BOUND:
        return "no bound"
    return f"{value:.{DIGITS[one.unit]}f}"


def _unit(one: Figure) -> str:
    return {"%": "%", "ratio": ""}.get(one.unit, f" {one.unit}")


def _interval(one: Figure) -> str:
    return "" if one.low_95 is None else f"{_number(one, one.low_95)} to {_number(one, one.high_95)}; "


def page(
    figures: Sequence[Figure], histories: Histories, worst: pl.DataFrame, worst_from_contango: pl.DataFrame
) -> None:
    """Write docs/real_evidence.md."""
    told = Told(figures)
    sections = (
        _about(histories.daily),
        _in_short(told, worst),
        _contango(told),
        _roll_yield(told),
        _oversold(told),
        _half_lives(told),
        _trigger(told),
        _calm(told),
        _decisions(told),
        _moves(told),
        _worst(worst, worst_from_contango),
    )
    lines = [line for section in sections for line in section]
    PAGE.write_text("\n".join(lines).rstrip() + "\n")


def paragraph(text: str) -> list[str]:
    """Return a paragraph in lines of the usual width, and the empty line after it."""
    return [*textwrap.wrap(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def bullet(text: str) -> list[str]:
    """Return a list item in lines of the usual width."""
    return textwrap.wrap(
        "- " + " ".join(text.split()), WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _about(daily: pl.DataFrame) -> list[str]:
    first, last = daily["session_date"].min(), daily["session_date"].max()
    return [
        "# What the real histories say",
        "",
        *paragraph(
            f"""VX, VIX, VVIX and SPX from {first} to {last}: {daily.height:,} sessions, of which
            {daily["contango_ratio"].count():,} have both VX1 and VX2. Some monthly contracts were never collected:
            2013 to 2015, 2017 to 2019 and 2022 on lack months, 2024 all of them; a missing contract makes its figures
            missing, another never takes its place. Before October 2006 not every month was listed: VX1 and VX2 may
            then lie two or three months apart, and contango is the wider for it."""
        ),
        *paragraph(
            """A cell is the estimate, its 95 % interval and n. Series are redrawn in blocks of sessions (stationary
            bootstrap, Politis-White block, 5,000 draws, percentile interval), events one by one; an event whose window
            would share a session with the one before is left out. No options enter: the chains at hand are single
            days."""
        ),
        *paragraph(
            "`alvh import ../shared/data --home HOME`, then `python -m benchmarks.real_evidence HOME` writes this."
        ),
    ]


def _in_short(told: Told, worst: pl.DataFrame) -> list[str]:
    say = told.say
    spikes = [told.of("FOMC", f"{kind} decisions", "VIX up a tenth or more") for kind in ("scheduled", "unscheduled")]
    n_spikes = round(sum(one.n * (one.estimate or 0.0) / 100.0 for one in spikes))
    eves = told.of("trigger", "all", "both, on the eve of a week").estimate or 0.0
    n_contango = worst.filter(pl.col("contango_before") > 0.0).height
    return [
        "## In short",
        "",
        *bullet(
            f"""**VX does not revert faster than implied vol.** The half-life of 30-day VX is
            {say("half-lives", "all", RATIO)} times that of VIX; in
            {say("half-lives", "windows of 252 sessions", FASTER)} of the nightly windows VX was the faster."""
        ),
        *bullet(
            f"""**An oversold front VX is no bargain.** In the 21 sessions after its RSI falls below 30 VIX gains
            {say("RSI below 30", "first session of an episode", "VIX, next 21")}, but who holds VX earns
            {say("RSI below 30", "first session of an episode", "VX held, next 21")}, as after any session:
            {say("RSI below 30", "any session", "VX held, next 21")}. The curve had priced the rise."""
        ),
        *bullet(
            f"""**Contango of 8 % and more costs who holds VX:** the return is
            {say("roll yield", "8% and above", "return of VX held")}. In backwardation it is
            {say("roll yield", "below 0%", "return of VX held")}: nothing can be said."""
        ),
        *bullet(
            f"""**FOMC decisions calm more often than they alarm.** VIX rose by a tenth or more on
            {say("FOMC", "scheduled decisions", "VIX up a tenth or more")} of the scheduled ones, against
            {say("FOMC", "any session", "VIX up a tenth or more")} of all sessions. With the unscheduled ones these are
            {n_spikes} spikes in more than two decades: too few for any verdict on what a layer offsets in them,
            whatever it does."""
        ),
        *bullet(
            f"""**The trigger is rare.** Contango above 8 % and RSI below 30 on the eve of a week hold on
            {say("trigger", "all", "both, on the eve of a week")} of the sessions, {2.52 * eves:.0f} eves a year."""
        ),
        *bullet(
            f"""**The worst days do not begin in contango.** Of the ten worst sessions of SPX {n_contango} began with
            VX2 above VX1 the session before."""
        ),
        *bullet(
            f"""**VIX has been dear** over the vol realized in the month after it by
            {say("variance premium", "all", "VIX less realized")}, and in
            {say("variance premium", "all", "VIX above realized")} of the months; from VIX 30 up the interval of the
            first holds 0."""
        ),
        "",
    ]


def _contango(told: Told) -> list[str]:
    return [
        "## How often the curve is in contango",
        "",
        "![Share of sessions with VX2 more than 8 % above VX1, by year](images/real_evidence_contango.svg)",
        "",
        *told.table("contango", ("VX2 above VX1", "above 8%", "median contango"), corner="year, %"),
    ]


def _roll_yield(told: Told) -> list[str]:
    return [
        "## What contango costs a holder of VX",
        "",
        *paragraph(
            """Carry is what the front contract would return a session if VIX stood still; beside it, what the contract
            held (the front month, rolled a session before it expires) did return on the next session. By contango at
            the close before."""
        ),
        "![Carry and return of front VX by contango](images/real_evidence_roll_yield.svg)",
        "",
        *told.table("roll yield", ("carry if VIX stands still", "return of VX held"), corner="contango, % a session"),
        *paragraph(
            f"""Slope of the return on the carry: {told.say("roll yield", "all", "slope of the return on the carry")}.
            At 1 the carry would come in full; at 0 VIX would move to meet the future."""
        ),
    ]


def _oversold(told: Told) -> list[str]:
    section = "RSI below 30"
    return [
        "## After front VX is oversold",
        "",
        *paragraph(
            f"""RSI(14) of the front index is below 30 on {told.say(section, "episodes", "share of sessions")} of the
            sessions; the median episode lasts {told.say(section, "episodes", "median length")}."""
        ),
        "![What followed the first session of an episode](images/real_evidence_oversold.svg)",
        "",
        *told.table(section, AFTERMATH, corner=MIXED, rows=("first session of an episode", "any session")),
    ]


def _half_lives(told: Told) -> list[str]:
    section, windows = "half-lives", "windows of 252 sessions"
    return [
        "## How fast VX reverts",
        "",
        *paragraph(
            """AR(1) on logs, corrected for bias. A ratio above 1 says that VX reverts more slowly than VIX; "no bound",
            that in more than 2.5 % of the resamples VX does not revert at all."""
        ),
        "![Half-lives of 252-session windows](images/real_evidence_half_life.svg)",
        "",
        *told.table(section, (RATIO,), corner="ratio", rows=[row for row in told.rows(section) if row != windows]),
        *told.table(
            section, ("30-day VX, median", "VIX, median", FASTER), corner="sessions, %", rows=(windows,)
        ),
        *paragraph("Overlapping windows share nearly all their sessions: no honest interval can be drawn, so none is."),
    ]  # fmt: skip


def _trigger(told: Told) -> list[str]:
    section, names = "trigger", ("contango above 8%", "RSI below 30", "both", "both, on the eve of a week")
    return [
        "## How often the trigger holds",
        "",
        *told.table(section, names, corner="% of sessions"),
        *paragraph(
            f"""Of the eves of a week {told.say(section, "all", "of eves: both")} have both, and
            {told.say(section, "all", "of eves: contango above 8%")} have contango above 8 %. Of the sessions with
            contango above 8 %, {told.say(section, "all", "of sessions above 8%: RSI below 30")} have RSI below 30.
            `condor_in_zone` needs a book and is not in these."""
        ),
    ]


def _calm(told: Told) -> list[str]:
    section = "VVIX low"
    return [
        "## After VVIX has stayed low",
        "",
        *paragraph(
            f"""VVIX is below the 30th percentile of its last 252 closes for the fifth session or more on
            {told.say(section, "runs", "share of sessions")} of the sessions; the median such run lasts
            {told.say(section, "runs", "median length of runs of 5 or more")}."""
        ),
        *told.table(section, AFTERMATH, corner=MIXED, rows=("fifth session of a run", "any session")),
    ]


def _decisions(told: Told) -> list[str]:
    return [
        "## Over FOMC decisions",
        "",
        *paragraph("Close before to close after the decision."),
        "![Changes of VIX over scheduled decisions](images/real_evidence_fomc.svg)",
        "",
        *told.table("FOMC", ("median change of VIX", "VIX up a tenth or more"), corner="%"),
    ]


def _moves(told: Told) -> list[str]:
    return [
        "## What one percent of SPX moves",
        "",
        *paragraph("Sum of the moves over sum of the moves of SPX, so that large days count most."),
        *told.table("beta", ("front VX per 1% of SPX", "VIX per 1% of SPX"), corner="%"),
        "## What VIX promised and SPX realized",
        "",
        *paragraph(
            "VIX at a close less the realized vol of the next 21 sessions, every 21st session: none share a day."
        ),
        *told.table("variance premium", ("VIX less realized", "VIX above realized"), corner="points, %"),
    ]


def _worst(worst: pl.DataFrame, from_contango: pl.DataFrame) -> list[str]:
    head = "| session | SPX | VIX | change | VVIX change | VX1 change | VX2 change | contango before | VX held |"
    return [
        "## The ten worst sessions of SPX",
        "",
        *paragraph(
            """Points; SPX, contango at the close before and the return of the front VX held in %. A dash is a contract
            that is missing, or other than the day before because a month expired."""
        ),
        head,
        "|---" * 9 + "|",
        *_worst_rows(worst),
        "",
        *paragraph("The ten worst of those known to have begun with VX2 above VX1:"),
        head,
        "|---" * 9 + "|",
        *_worst_rows(from_contango),
    ]


def _worst_rows(worst: pl.DataFrame) -> list[str]:
    def shown(value: float | None, digits: int = 2, scale: float = 1.0) -> str:
        return "-" if value is None else f"{scale * value:.{digits}f}"

    lines = []
    for row in worst.iter_rows(named=True):
        cells = [
            str(row["session_date"]), shown(row["spx_return"], 1, 100.0), shown(row["vix"]), shown(row["vix_change"]),
            shown(row["vvix_change"]), shown(row["vx1_change"]), shown(row["vx2_change"]),
            shown(row["contango_before"], 1, 100.0), shown(row["held_return"], 1, 100.0),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def draw(figures: Sequence[Figure], half_lives: pl.DataFrame, windows: pl.DataFrame) -> None:
    """Write the figures of the page.

    `half_lives` has session_date, vx_30d and spx_iv_30d (sessions); `windows` has event and vix_change (decimal).
    """
    IMAGES.mkdir(exist_ok=True)
    frame = pl.DataFrame(figures)
    years = frame.filter((pl.col("section") == "contango") & (pl.col("name") == "above 8%") & (pl.col("row") != "all"))
    _save("contango", _bars(years, "row", title="% of sessions").properties(width=560))
    carry = frame.filter((pl.col("section") == "roll yield") & (pl.col("unit") == "% a session"))
    _save("roll_yield", _grouped(carry, "row", color="name", title="% a session").properties(width=560))
    after = frame.filter(
        (pl.col("section") == "RSI below 30")
        & pl.col("name").str.contains("next")
        & ~pl.col("name").str.contains("SPX")
    )
    panels = [
        _grouped(after.filter(pl.col("name").str.starts_with(f"{what},")), "name", color="row", title=f"{what}, {unit}")
        .properties(width=260)
        for what, unit in (("VIX", "points"), ("VX held", "%"))
    ]  # fmt: skip
    _save("oversold", alt.hconcat(*panels))
    _save("half_life", _half_life_lines(half_lives))
    scheduled = windows.filter(pl.col("event") == "fomc_decision").select(change=100.0 * pl.col("vix_change"))
    histogram = (
        alt.Chart(scheduled)
        .mark_bar(color=COLORS[0])
        .encode(
            x=alt.X("change:Q", bin=alt.Bin(step=2.5), title="change of VIX, %"),
            y=alt.Y("count()", title="scheduled decisions"),
        )
        .properties(width=560, height=200)
    )
    _save("fomc", histogram)


def _bars(frame: pl.DataFrame, x: str, *, title: str) -> alt.LayerChart:
    base = alt.Chart(frame.select(x, "estimate", "low_95", "high_95").with_columns(pl.col(pl.Float64).round(3)))
    bars = base.mark_bar(color=COLORS[0], opacity=0.7).encode(
        x=alt.X(f"{x}:N", title=None, sort=None), y=alt.Y("estimate:Q", title=title)
    )
    rules = base.mark_rule().encode(x=alt.X(f"{x}:N", sort=None), y="low_95:Q", y2="high_95:Q")
    return alt.layer(bars, rules).properties(height=200)


def _grouped(frame: pl.DataFrame, x: str, *, color: str, title: str) -> alt.LayerChart:
    shown = frame.select(x, color, "estimate", "low_95", "high_95").with_columns(pl.col(pl.Float64).round(4))
    base = alt.Chart(shown).encode(
        x=alt.X(f"{x}:N", title=None, sort=None, axis=alt.Axis(labelAngle=-25)),
        xOffset=alt.XOffset(f"{color}:N", sort=None),
        color=alt.Color(f"{color}:N", title=None, sort=None, scale=alt.Scale(range=list(COLORS))),
    )
    points = base.mark_point(filled=True, size=60).encode(y=alt.Y("estimate:Q", title=title))
    rules = base.mark_rule().encode(y="low_95:Q", y2="high_95:Q")
    return alt.layer(points, rules).properties(height=200)


def _half_life_lines(half_lives: pl.DataFrame) -> alt.Chart:
    names = {"vx_30d": "30-day VX", "spx_iv_30d": "VIX"}
    weekly = half_lives.gather_every(5).rename(names)
    # A window across a gap has no estimate: the line is broken there.
    gap = pl.col("session_date").diff().dt.total_days().fill_null(0) > 30
    long = weekly.with_columns(piece=gap.cum_sum()).unpivot(
        list(names.values()), index=["session_date", "piece"], variable_name="series", value_name="half_life"
    )
    return (
        alt.Chart(long.with_columns(pl.col("half_life").round(2)))
        .mark_line(strokeWidth=1.2)
        .encode(
            x=alt.X("session_date:T", title=None),
            y=alt.Y(
                "half_life:Q", title="half-life, sessions", scale=alt.Scale(type="log", domain=[3, 1_000], clamp=True)
            ),
            color=alt.Color("series:N", title=None, sort=None, scale=alt.Scale(range=list(COLORS))),
            detail="piece:N",
        )
        .properties(width=560, height=200)
    )


def _save(name: str, chart: alt.Chart | alt.LayerChart | alt.HConcatChart) -> None:
    chart.save(IMAGES / f"real_evidence_{name}.svg")
