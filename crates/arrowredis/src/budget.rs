//! A bound on bytes in flight.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What permits count: KiB, so that 4 TiB fit the 32 bits that one request for permits can have.
const UNIT_BYTES: u64 = 1024;

/// Bytes that may be in flight at once. Permits are granted in the order in which they are asked
/// for, so whoever needs the next bytes of an ordered sequence is never overtaken.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget {
    units: u32,
    semaphore: Arc<Semaphore>,
}

/// Some bytes of a budget, given back on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    units: Option<OwnedSemaphorePermit>,
}

impl Permit {
    /// Gives half of them back, the rest on drop.
    pub(crate) fn give_back_half(&mut self) {
        if let Some(units) = &mut self.units {
            drop(units.split(units.num_permits() / 2));
        }
    }
}

impl ByteBudget {
    pub(crate) fn new(bytes: u64) -> Self {
        let most = u64::from(u32::MAX).min(Semaphore::MAX_PERMITS as u64);
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES).clamp(1, most)).unwrap_or(u32::MAX);
        Self { units, semaphore: Arc::new(Semaphore::new(units as usize)) }
    }

    /// Waits until `bytes` fit. What is larger than the whole budget waits until it is alone.
    pub(crate) async fn acquire(&self, bytes: u64) -> Permit {
        let units = self.units(bytes);
        // It can only fail once closed, and nothing closes it; a budget that could not be asked
        // would bound nothing, but it would not lose data either.
        Permit { units: Arc::clone(&self.semaphore).acquire_many_owned(units).await.ok() }
    }

    /// Takes `bytes` if they fit now.
    pub(crate) fn acquire_now(&self, bytes: u64) -> Option<Permit> {
        let units = Arc::clone(&self.semaphore).try_acquire_many_owned(self.units(bytes));
        Some(Permit { units: Some(units.ok()?) })
    }

    /// What is larger than the whole budget takes all of it.
    fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_than_the_budget_waits_until_something_is_given_back() {
        let budget = ByteBudget::new(8 * 1024);
        let first = budget.acquire(6 * 1024).await;
        let mut second = Box::pin(budget.acquire(6 * 1024));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        assert!(futures::poll!(second.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn half_can_be_given_back_before_the_rest() {
        let budget = ByteBudget::new(8 * 1024);
        let mut first = budget.acquire(8 * 1024).await;
        assert!(budget.acquire_now(4 * 1024).is_none());
        first.give_back_half();
        let second = budget.acquire_now(4 * 1024).expect("half is free");
        assert!(budget.acquire_now(1024).is_none());
        drop((first, second));
        assert!(budget.acquire_now(8 * 1024).is_some());
    }

    #[tokio::test]
    async fn one_larger_than_the_whole_budget_gets_it_alone() {
        let budget = ByteBudget::new(8 * 1024);
        let huge = budget.acquire(u64::MAX).await;
        assert!(futures::poll!(Box::pin(budget.acquire(1))).is_pending());
        drop(huge);
    }
}
