"""Reducing the book when a limit fails on marks: as few contracts as bring it back (METHOD section 8, `exit`)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from transforms.book.position import OpenPosition
from transforms.engines.offers.change import after_package, closing_legs, offered_change, refusal
from transforms.engines.offers.package import Package, packaged
from transforms.engines.offers.standing import Standing
from transforms.rules.decisions import Offer
from transforms.rules.exit import LIMITS


@dataclass(frozen=True)
class _Walk:
    """What was closed on the way: packages by position; `after`, whether every limit asked for is back."""

    closed: Mapping[str, int]
    after: Standing
    is_enough: bool


def reduction(standing: Standing, failed_limits: Collection[str], *, leave: Collection[str] = ()) -> dict[str, Offer]:
    """Return by position id what to close so that the failed limits are kept again, and no other is lost by it.

    Parameters
    ----------
    standing : with every change of the night that comes before the reduction
    failed_limits : of layer_share, book_risk and quick_ratio those that fail on marks
    leave : positions not to be touched, because they are changed otherwise tonight

    Returns
    -------
    dict
        Layers first, the newest before older ones, then condors likewise: each whole before the next is touched, and of
        the last no more packages than needed. A position whose legs are not all two-sided, or whose closing brings no
        failed limit nearer, is passed over. A limit that no closing brings back is named in the notes and asks for
        nothing. If nothing is to be closed, one offer of 0 contracts says why; empty without positions.
    """
    failed = tuple(name for name in LIMITS if name in failed_limits)
    order = _order(standing, leave)
    if not failed or not order:
        return {}
    packages = {held.position_id: packaged(closing_legs(held), standing.chain, terms=standing.terms) for held in order}
    walk = _walk(standing, failed, order=order, packages=packages)
    hopeless: tuple[str, ...] = ()
    if not walk.is_enough:
        hopeless = tuple(
            name for name in failed if not _walk(standing, (name,), order=order, packages=packages).is_enough
        )
        walk = _walk(standing, tuple(name for name in failed if name not in hopeless), order=order, packages=packages)
    remarks = [f"{standing.measured().said(name)}: no closing brings it back" for name in hopeless]
    remarks += [package.fault for package in packages.values() if package.fault]
    if not walk.closed or not walk.is_enough:
        note = "; ".join(["nothing that can be closed brings the limits back", *remarks])
        return {order[0].position_id: replace(refusal(order[0], note), binding_limit=", ".join(failed))}
    restored = [name for name in failed if name not in hopeless]
    said = ", ".join(walk.after.measured().said(name) for name in restored)
    found = {}
    for held in order:
        n, package = walk.closed.get(held.position_id, 0), packages[held.position_id]
        if n:
            found[held.position_id] = offered_change(
                held,
                after_package(held, package, n),
                package,
                contracts=n,
                note="; ".join([f"closes {n} of {held.packages}: then {said}", *remarks]),
                limit=", ".join(restored),
            )
    return found


def _order(standing: Standing, leave: Collection[str]) -> list[OpenPosition]:
    """Return the positions in the order in which they are reduced."""
    free = [held for held in standing.positions if held.position_id not in leave and held.packages]
    newest = sorted(free, key=lambda held: (held.opened_on, held.position_id), reverse=True)
    return sorted(newest, key=lambda held: held.engine != "second")


def _walk(
    standing: Standing, failed: tuple[str, ...], *, order: list[OpenPosition], packages: Mapping[str, Package]
) -> _Walk:
    """Return the closings, in order and each whole but the last, after which the limits are kept."""
    kept_so_far = tuple(name for name in LIMITS if name not in failed and standing.measured().holds(name))
    closed: dict[str, int] = {}
    now = standing
    if not failed:
        return _Walk(closed, now, is_enough=False)
    for held in order:
        package = packages[held.position_id]
        if package.fault or not _helps(now, _closed(now, held, package, held.packages), failed):
            continue
        for n in range(1, held.packages + 1):
            then = _closed(now, held, package, n)
            measured = then.measured()
            if all(measured.holds(name) for name in (*failed, *kept_so_far)):
                return _Walk({**closed, held.position_id: n}, then, is_enough=True)
        closed[held.position_id] = held.packages
        now = _closed(now, held, package, held.packages)
    return _Walk(closed, now, is_enough=False)


def _closed(standing: Standing, held: OpenPosition, package: Package, n: int) -> Standing:
    return standing.replaced(held, after_package(held, package, n), cash=n * package.cash_at_limit)


def _helps(before: Standing, after: Standing, failed: tuple[str, ...]) -> bool:
    """Return whether a limit that still fails is nearer to being kept after it."""
    was, then = before.measured(), after.measured()
    return any(not was.holds(name) and was.is_worse_than(then, name) for name in failed)
