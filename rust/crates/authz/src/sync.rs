//! What threads of the engine share with each other, behind one door: with the feature `model` a model checker stands in
//! it and chooses which thread goes on (`tests/model`). Without it these are the plain types, by their own names.
//!
//! Belongs here: everything that the order of publishing, stamping and filling rests on. Counters do not.

#[cfg(not(feature = "model"))]
pub(crate) use arc_swap::{ArcSwap, ArcSwapOption, Guard};
#[cfg(not(feature = "model"))]
pub(crate) use parking_lot::{Condvar, Mutex};
#[cfg(not(feature = "model"))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "model")]
pub(crate) use modelled::{ArcSwap, ArcSwapOption, Condvar, Guard, Mutex};
#[cfg(feature = "model")]
pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering};

/// Runs a job that nobody waits for on a thread of its own. Without a thread it is dropped.
pub(crate) fn detach(name: &str, job: impl FnOnce() + Send + 'static) {
    #[cfg(not(feature = "model"))]
    drop(std::thread::Builder::new().name(name.into()).spawn(job));
    #[cfg(feature = "model")]
    drop(shuttle::thread::Builder::new().name(name.into()).spawn(job));
}

#[cfg(feature = "model")]
mod modelled {
    use std::ops::{Deref, DerefMut};
    use std::sync::Arc;
    use std::time::Instant;

    use shuttle::sync::atomic::{AtomicU64, Ordering};

    /// A value that is read and replaced in one step, as both are in the real type. The step is the counter's: nothing
    /// else here lets another thread in.
    struct Cell<T> {
        step: AtomicU64,
        value: std::sync::Mutex<T>,
    }

    impl<T: Clone> Cell<T> {
        fn new(value: T) -> Self {
            Self { step: AtomicU64::new(0), value: std::sync::Mutex::new(value) }
        }

        fn get(&self) -> T {
            self.step.load(Ordering::SeqCst);
            self.value.lock().unwrap().clone()
        }

        fn set(&self, value: T) {
            self.step.fetch_add(1, Ordering::SeqCst);
            *self.value.lock().unwrap() = value;
        }
    }

    pub(crate) struct Guard<T>(T);

    impl<T> Deref for Guard<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }

    pub(crate) struct ArcSwap<T>(Cell<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(crate) fn from_pointee(value: T) -> Self {
            Self(Cell::new(Arc::new(value)))
        }

        pub(crate) fn load(&self) -> Guard<Arc<T>> {
            Guard(self.0.get())
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            self.0.get()
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            self.0.set(value);
        }
    }

    pub(crate) struct ArcSwapOption<T>(Cell<Option<Arc<T>>>);

    impl<T> ArcSwapOption<T> {
        pub(crate) fn empty() -> Self {
            Self(Cell::new(None))
        }

        pub(crate) fn load(&self) -> Guard<Option<Arc<T>>> {
            Guard(self.0.get())
        }

        pub(crate) fn load_full(&self) -> Option<Arc<T>> {
            self.0.get()
        }

        pub(crate) fn store(&self, value: Option<Arc<T>>) {
            self.0.set(value);
        }
    }

    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    /// Empty only while its thread waits for news.
    pub(crate) struct MutexGuard<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(self.0.lock().ok())
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok().map(|held| MutexGuard(Some(held)))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().unwrap()
        }
    }

    /// Whoever waits here waits for ever: a notice that is lost is then a deadlock, which the checker reports.
    pub(crate) struct Condvar(shuttle::sync::Condvar);

    pub(crate) struct Waited;

    impl Waited {
        pub(crate) fn timed_out(&self) -> bool {
            false
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(shuttle::sync::Condvar::new())
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            guard.0 = guard.0.take().and_then(|held| self.0.wait(held).ok());
        }

        pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> Waited {
            self.wait(guard);
            Waited
        }
    }
}
