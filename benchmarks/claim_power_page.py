"""The page of the power study: docs/claim_power.md and docs/images/claim_power.svg, written from the rates."""

import textwrap
from pathlib import Path

import altair as alt
import polars as pl

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "claim_power.md"
PLOT = DOCS / "images" / "claim_power.svg"
WIDTH = 120
HIGHEST_FALSE, LOWEST_TRUE = 0.05, 0.80
# Sort, how it is planted, size counted in, size and planted value at which it is held to the two rates.
SHOWN = (
    ("mean of a series", "mean P&L of the layer on falls of VX, per dollar of margin", "sessions", 1_000, 0.002),
    ("ratio of half-lives", "half-life ratio of two series with correlated shocks", "sessions", 2_500, 2.0 / 3.0),
    ("paired difference", "Sharpe ratio of both engines less the condor's", "sessions", 1_000, 0.25),
    ("median of events in a band", "median offset, band 0.60 to 0.80", "events", 160, 0.70),
    ("share of events", "share of adjustments funded, above 0.50", "events", 40, 0.80),
    ("difference of two groups of events", "dollars a lock, noise of 100 dollars", "events", 160, 50.0),
    ("matched windows", "outcome over ten sessions, per dollar of margin", "sessions", 2_500, 0.04),
)
FIXED_CONTRACTS, REDRAWN = "paired difference, fixed contracts", "paired difference, fixed contracts redrawn"
STRESSED = (
    "mean of a persistent series",
    FIXED_CONTRACTS,
    REDRAWN,
    "matched windows, any distance",
    "five variants, Holm",
    "five variants, each alone",
)


def paragraph(text: str) -> list[str]:
    """Return a paragraph in lines of the usual width, and the empty line after it."""
    return [*textwrap.wrap(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def page(rates: pl.DataFrame, coverage: pl.DataFrame, *, n_simulations: int, spikes: str) -> None:
    """Write docs/claim_power.md; `spikes` says how rare FOMC spikes are in the sample market."""
    lines = [
        "# How often a claim planted true is supported, and one planted false",
        "",
        *paragraph(
            f"""{n_simulations} samples of each sort of claim, each with a known truth, judged by the code that judges
            replays (`transforms/evidence`): 95 % percentile intervals of the stationary bootstrap, Politis-White
            blocks, fewer than 20 observations or 20 blocks are too little data. `python -m benchmarks.claim_power`
            writes this page. A rate near 2.5 % is known to within 0.7 points, one near 80 % to within 1.8 (one
            standard error)."""
        ),
        *paragraph(
            """P&L comes from paths of the sample market: a condor of 50 days and a layer of 45 (short one VIX call at
            the future, long two 30 % above), each marked from close to close at true prices. What the state of the
            market predicts of it is taken away (a regression fitted on 500 other paths, never on those judged) and
            what is planted is put in its place: volatility still clusters, the condor still gains often and loses
            much. The layer takes a quarter of the margin of the book of both engines, a third of the condor's, as
            the rule `layer_share` bounds it. False claims are planted on the bound itself, where they are hardest to
            tell from true ones."""
        ),
        "## Each sort of claim",
        "",
        *_shown(rates),
        "![Share supported by size and planted value](images/claim_power.svg)",
        "",
        *_everything(rates),
        *_variants(rates),
        *_coverage(coverage),
        *_limits(rates, coverage, spikes),
    ]
    PAGE.write_text("\n".join(lines).rstrip() + "\n")


def _rate(rates: pl.DataFrame, sort: str, size: int, planted: float, column: str = "supported") -> float:
    found = rates.filter(
        (pl.col("sort") == sort) & (pl.col("size") == size) & ((pl.col("planted") - planted).abs() < 1e-9)
    )
    return float(found[column].item())


def worst_false(rates: pl.DataFrame, sort: str, size: int) -> float:
    """Return the highest share supported among the false values planted at a size."""
    own = rates.filter((pl.col("sort") == sort) & (pl.col("size") == size) & ~pl.col("is_true"))
    return float(own["supported"].max())  # type: ignore[arg-type]


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f}%"


def _shown(rates: pl.DataFrame) -> list[str]:
    lines = [
        "| sort of claim | planted | sample | planted true at | supported | planted false: supported |",
        "|---|---|---|---|---|---|",
    ]
    for sort, what, unit, size, planted in SHOWN:
        true, false = _rate(rates, sort, size, planted), worst_false(rates, sort, size)
        lines.append(f"| {sort} | {what} | {size:,} {unit} | {planted:.3g} | {_percent(true)} | {_percent(false)} |")
    missed = [
        sort
        for sort, _, _, size, planted in SHOWN
        if _rate(rates, sort, size, planted) < LOWEST_TRUE or worst_false(rates, sort, size) > HIGHEST_FALSE
    ]
    said = f"Every sort but {' and '.join(missed)} keeps to" if missed else "Every sort keeps to"
    return [
        *lines,
        "",
        *paragraph(f"{said} at least 80 % of the true and at most 5 % of the false ones at the sizes shown."),
    ]


def _by_size(rates: pl.DataFrame, sort: str) -> str:
    """Return the shares supported of what is planted at nothing, by size, in words."""
    small, middle, large = (f"{_percent(_rate(rates, sort, size, 0.0))}" for size in (250, 1_000, 2_500))
    return f"{small} of the samples of 250 sessions, {middle} of 1,000 and {large} of 2,500"


def _everything(rates: pl.DataFrame) -> list[str]:
    lines = [
        *paragraph(
            """All sizes and values; `n` is the median number of observations behind a verdict. What is not supported
            or not
            "not supported" is too little data."""
        ),
        "| sort | size | planted | true | n | supported | not supported |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rates.filter(~pl.col("sort").is_in(STRESSED)).iter_rows(named=True):
        lines.append(
            f"| {row['sort']} | {row['size']:,} | {row['planted']:.3g} | {'yes' if row['is_true'] else 'no'} "
            f"| {row['n']:.0f} | {_percent(row['supported'])} | {_percent(row['not supported'])} |"
        )
    return [*lines, ""]


def _variants(rates: pl.DataFrame) -> list[str]:
    alone, holm = ("five variants, each alone", "five variants, Holm")
    return [
        "## Many variants",
        "",
        *paragraph(
            f"""Five variants of one false claim, correlated by 0.7: looked at one by one, some variant is supported in
            {_percent(_rate(rates, alone, 250, 0.0))} of the samples; under Holm's procedure in
            {_percent(_rate(rates, holm, 250, 0.0))}. Where one of the five is true (a quarter of a deviation, 250
            observations), Holm's procedure supports it in {_percent(_rate(rates, holm, 250, 0.25))}, against
            {_percent(_rate(rates, alone, 250, 0.25))} alone."""
        ),
    ]


def _coverage(coverage: pl.DataFrame) -> list[str]:
    lines = [
        "## How often the intervals hold the truth",
        "",
        *paragraph(
            """95 % would be right; then the share of intervals wholly above and wholly below the truth. Four
            intervals of a mean and three of a median: as published (percentile), with blocks twice as long, with
            tails moved out as Student's t is from the normal (expanded; Hesterberg 2015), studentized by each
            resample's own block sums (Götze and Künsch 1996), and of order statistics (Conover 1999)."""
        ),
        "| series | n | interval | holds | above | below |",
        "|---|---|---|---|---|---|",
    ]
    for row in coverage.iter_rows(named=True):
        lines.append(
            f"| {row['series']} | {row['size']:,} | {row['method']} | {_percent(row['holds'])} "
            f"| {_percent(row['above'])} | {_percent(row['below'])} |"
        )
    return [*lines, ""]


def _holds(coverage: pl.DataFrame, series: str, size: int, method: str) -> str:
    own = (pl.col("series") == series) & (pl.col("size") == size) & (pl.col("method") == method)
    return _percent(float(coverage.filter(own)["holds"].item()))


def _limits(rates: pl.DataFrame, coverage: pl.DataFrame, spikes: str) -> list[str]:
    half, nine = "autoregression, coefficient 0.5", "autoregression, coefficient 0.9"
    regimes, median = "P&L of the condor, volatility regimes left in", "median of independent events"
    persistent = STRESSED[0]
    return [
        "## What helps, and what does not",
        "",
        *paragraph(
            """**Daily P&L** is nearly uncorrelated: percentile intervals hold their mean as often as they say, from 60
            sessions on, skewed as it is. Nothing needs help there."""
        ),
        *paragraph(
            f"""**Dependent series** are where percentile intervals are too short: with an autoregression of 0.5 they
            hold the mean in {_holds(coverage, half, 60, "percentile")} of 60 sessions and
            {_holds(coverage, half, 1_000, "percentile")} of 1,000; with 0.9 in
            {_holds(coverage, nine, 60, "percentile")}, {_holds(coverage, nine, 250, "percentile")} (250) and
            {_holds(coverage, nine, 1_000, "percentile")}. Studentizing helps most (0.9:
            {_holds(coverage, nine, 60, "studentized")}, {_holds(coverage, nine, 250, "studentized")},
            {_holds(coverage, nine, 1_000, "studentized")}), expanding less
            ({_holds(coverage, nine, 60, "expanded percentile")},
            {_holds(coverage, nine, 250, "expanded percentile")},
            {_holds(coverage, nine, 1_000, "expanded percentile")}), double blocks
            {_holds(coverage, nine, 60, "percentile, double blocks")},
            {_holds(coverage, nine, 250, "percentile, double blocks")},
            {_holds(coverage, nine, 1_000, "percentile, double blocks")}. None is right at 60. So a series of fewer
            than 20 blocks is not judged: with 0.9, a false claim of its mean is then supported in
            {_by_size(rates, persistent)}. Read the verdict on the cost of capital, the
            one such series among the claims, with that in mind."""
        ),
        *paragraph(
            f"""**Few events**: the percentile interval of a median of 20 holds it in
            {_holds(coverage, median, 20, "percentile")} of the samples, expanded in
            {_holds(coverage, median, 20, "expanded percentile")}, of order statistics in
            {_holds(coverage, median, 20, "order statistics")}. The percentile interval is kept: it is the one the
            method names, and a median in a band is supported far too seldom to be supported falsely."""
        ),
        *paragraph(
            f"""**Regimes** nothing helps against: volatility of the sample market has a part that takes more than a
            year to revert, and what the condor earns on average over a window depends on it. Intervals of that
            average hold the average over all time in {_holds(coverage, regimes, 250, "percentile")} of windows of 250
            sessions and {_holds(coverage, regimes, 1_000, "percentile")} of 1,000.
            A verdict is about the years it rests on."""
        ),
        *paragraph(
            f"""**A book that changes** is the same in another guise. With a fixed number of layers to a condor, the
            layer's part of the margin falls where spot rises and rises where it falls: what the book earns, and how
            much it moves, depends on where spot has gone in ten years. A gain in Sharpe ratio planted at nothing over
            all time is then not nothing in a window, and is supported in {_by_size(rates, FIXED_CONTRACTS)}. It is not
            the interval that is too short: of the same sessions redrawn in months from all paths, over which the gain
            is nothing to the last digit, it is supported in {_by_size(rates, REDRAWN)}."""
        ),
        *paragraph(
            f"""**Matching** needs a bound on the distance: with the nearest window however far, a trigger without
            effect is supported in {_percent(worst_false(rates, "matched windows, any distance", 2_500))} of the
            samples of 2,500 sessions, because what is left to match late is unlike; within half a deviation in
            {_percent(worst_false(rates, "matched windows", 2_500))}. Nor may matches be chosen by what came after
            them: left out where a later activation overlaps, they are the windows in which the curve turned."""
        ),
        "## What no sample will show",
        "",
        *paragraph(
            f"""A median offset within 0.60 to 0.80 needs some 160 events if single offsets spread by 35 %, and 20 to
            be looked at. {spikes} The real histories hold 13 in 22 years (docs/real_evidence.md): that claim stays
            without a verdict."""
        ),
        *paragraph(
            """A half-life ratio of two thirds takes ten years to see, one of a half four. A layer held to settlement
            fills a window of one to two months, so twenty pairs of activated and matched windows take about four
            years at the least."""
        ),
    ]  # fmt: skip


def draw(rates: pl.DataFrame) -> None:
    """Write the figure: share supported by size, one panel a sort, one line a planted value."""
    panels = []
    for sort, _, unit, _, _ in SHOWN:
        own = rates.filter(pl.col("sort") == sort).select(
            "size", "supported", planted=pl.col("planted").round(2 if sort != "mean of a series" else 3).cast(pl.String)
        )
        lines = (
            alt.Chart(own)
            .mark_line(point=True, strokeWidth=1.5)
            .encode(
                x=alt.X(
                    "size:Q", title=unit, scale=alt.Scale(type="log"), axis=alt.Axis(values=sorted(set(own["size"])))
                ),
                y=alt.Y("supported:Q", title="share supported", scale=alt.Scale(domain=[0, 1])),
                color=alt.Color("planted:N", title="planted", sort=None),
            )
        )
        bounds = (
            alt.Chart(pl.DataFrame({"y": [HIGHEST_FALSE, LOWEST_TRUE]})).mark_rule(strokeDash=[3, 3]).encode(y="y:Q")
        )
        panels.append(alt.layer(lines, bounds).properties(width=190, height=140, title=sort))
    PLOT.parent.mkdir(exist_ok=True)
    alt.concat(*panels, columns=3).resolve_scale(color="independent").save(PLOT)
