"""A dashboard of published/: the last night, its rules and findings, the curve and the book over time.

marimo run dashboards/night.py -- --published alvh-demo/published [--every 1m]
"""

import marimo

app = marimo.App(width="full", app_title="ALVH")


@app.cell
def _():
    import os
    from pathlib import Path

    import altair as alt
    import duckdb
    import marimo as mo

    folder = Path(mo.cli_args().get("published") or os.environ.get("ALVH_PUBLISHED") or "alvh-demo/published")
    return Path, alt, duckdb, folder, mo


@app.cell
def _(mo):
    # Each tick opens the database anew: a connection that stays open would go on showing the night it was opened on.
    every = str(mo.cli_args().get("every") or "1m")
    refresh = mo.ui.refresh(options=sorted({every, "1m", "10m", "1h"}), default_interval=every, label="read again")
    refresh
    return (refresh,)


@app.cell
def _(duckdb, folder, mo, refresh):
    refresh
    mo.stop(
        not (folder / "alvh.duckdb").exists(),
        mo.md(f"Nothing is published at `{folder}`: give `--published` the folder that holds alvh.duckdb."),
    )

    def rows(query):
        """Return the rows of a select over the published database, opened for this one query."""
        with duckdb.connect(str(folder / "alvh.duckdb"), read_only=True) as connection:
            return connection.sql(query).pl()

    return (rows,)


@app.cell
def _(mo, rows):
    signal = rows("from mart.signal_daily order by session_date desc limit 1").row(0, named=True)

    def _stat(label, value, form="{:.2f}", caption=""):
        return mo.stat(label=label, value="unknown" if value is None else form.format(value), caption=caption)

    mo.vstack(
        [
            mo.md(f"# Night of {signal['session_date']}: {signal['data_status']}"),
            mo.md(f"Missing: {signal['missing_inputs']}" if signal["missing_inputs"] else "No input is missing."),
            mo.hstack(
                [
                    _stat("Condor", signal["condor_decision"], "{}", signal["condor_order"] or ""),
                    _stat("Second engine", signal["second_decision"], "{}", signal["second_order"] or ""),
                    _stat("Contango VX2/VX1 - 1", signal["contango_ratio"], "{:.2%}"),
                    _stat("RSI of front VX", signal["vx_front_rsi"], "{:.1f}"),
                    _stat("VIX, points", signal["vix"]),
                    _stat("Book, dollars", signal["book_equity"], "{:,.0f}"),
                ],
                widths="equal",
                wrap=True,
            ),
        ]
    )
    return


@app.cell
def _(mo, rows):
    decisions = rows(
        """
        select engine, decision, contracts, limit_price, expected_cost, binding_limit, reason
        from mart.decision
        where session_date = (select max(session_date) from mart.signal_daily)
        order by engine, decision
        """
    )
    rules = rows(
        """
        select rule, outcome, measured, comparison, threshold, distance, flip, reason
        from mart.rule_evaluation
        where session_date = (select max(session_date) from mart.signal_daily)
        order by outcome, rule
        """
    )
    findings = rows(
        """
        select kind, confidence, root, expiration, edge_points, edge_dollars, from_flagged_quotes, sessions_open, note
        from mart.mispricing
        where session_date = (select max(session_date) from mart.signal_daily)
        order by edge_dollars desc nulls last, finding_id
        """
    )
    mo.ui.tabs(
        {
            f"Decisions ({decisions.height})": mo.ui.table(decisions, selection=None),
            f"Rules ({rules.height})": mo.ui.table(rules, selection=None, page_size=20),
            f"Findings ({findings.height})": mo.ui.table(findings, selection=None),
        }
    )
    return


@app.cell
def _(alt, mo, rows):
    history = rows(
        """
        select session_date, 100 * contango_ratio as contango_percent
        from contango_history
        where contango_ratio is not null
        order by session_date desc
        limit 252
        """
    )
    equity = rows("select session_date, engine, equity from mart.engine_daily order by session_date, engine")
    _day = alt.X("session_date:T", title=None)
    _contango = (
        alt.Chart(history, title="VX2/VX1 - 1, percent, and the 8 % of contango_scan")
        .mark_line()
        .encode(x=_day, y=alt.Y("contango_percent:Q", title=None), tooltip=["session_date:T", "contango_percent:Q"])
    )
    _threshold = alt.Chart(alt.Data(values=[{"y": 8.0}])).mark_rule(strokeDash=[4, 4]).encode(y="y:Q")
    _equity = (
        alt.Chart(equity, title="Cumulative P&L of the paper book, dollars")
        .mark_line(point=True)
        .encode(
            x=_day,
            y=alt.Y("equity:Q", title=None),
            color=alt.Color("engine:N", title=None),
            tooltip=["session_date:T", "engine:N", "equity:Q"],
        )
    )
    mo.hstack([_contango + _threshold, _equity], widths="equal", wrap=True)
    return


if __name__ == "__main__":
    app.run()
