"""Duties that only one process may have at a time, such as polling Telegram."""

from datetime import timedelta
from uuid import UUID

from tortoise.exceptions import IntegrityError

from storage.clock import Clock
from storage.faults import Step
from storage.tables import Lease
from storage.transactions import transaction


async def hold(name: str, holder: UUID, clock: Clock, seconds: float) -> bool:
    """Take or renew the duty `name` for `seconds`; return False while another process has it."""
    now = clock.now()
    until = now + timedelta(seconds=seconds)
    try:
        async with transaction(Step.POLLER_LEASE):
            lease = await Lease.filter(name=name).select_for_update().first()
            if lease is None:
                await Lease.create(name=name, holder=holder, until=until, fence=1)
                return True
            if lease.holder != holder and lease.until > now:
                return False
            fence = lease.fence if lease.holder == holder else lease.fence + 1
            await Lease.filter(name=name).update(holder=holder, until=until, fence=fence)
            return True
    except IntegrityError:
        return False


async def release(name: str, holder: UUID, clock: Clock) -> None:
    """Give the duty up, so that another process can take it at once."""
    async with transaction(Step.POLLER_LEASE):
        await Lease.filter(name=name, holder=holder).update(until=clock.now())
