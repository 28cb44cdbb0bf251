//! Which request comes next. Pure: (configuration, what a connection has seen) in, operation and index out.

use crate::config::{Config, Op};
use crate::request::{From, Requests};
use crate::seeded::Choice;

/// Requests signed before the clock starts are good for 15 minutes (clock skew of S3); a run is shorter.
pub const RUN_LIMIT_S: u64 = 600;

/// Chooses operations and objects, and keeps the requests that could be signed ahead.
pub struct Workload {
    mix: Vec<(Op, u32)>,
    weights: u32,
    choice: Choice,
    next_index: u64,
    first: u64,
    objects: u64,
    distinct: u64,
    ready: Vec<(Op, Vec<Vec<u8>>)>,
}

impl Workload {
    /// Signs the requests for GET and HEAD ahead.
    pub fn new(config: &Config, requests: &mut Requests) -> Self {
        let mut workload = Self {
            mix: config.mix.clone(),
            weights: config.mix.iter().map(|part| part.1).sum(),
            choice: Choice::new(config.names.seed ^ config.first),
            next_index: config.first,
            first: config.first,
            objects: config.objects,
            distinct: config.distinct.min(config.objects),
            ready: Vec::new(),
        };
        let writes = config.mix.iter().any(|part| part.0 == Op::Put);
        if writes && config.mix.len() > 1 {
            // What is read must exist already: a mixed run writes behind it.
            workload.next_index = config.first + config.objects;
        }
        for &(op, _) in config.mix.iter().filter(|part| matches!(part.0, Op::Get | Op::Head)) {
            let signed = (0..workload.distinct).map(|slot| {
                let mut out = Vec::with_capacity(512);
                requests.plain(op, workload.index_of(slot), &From::Top, &mut out);
                out
            });
            let signed = signed.collect();
            workload.ready.push((op, signed));
        }
        workload
    }

    /// The objects read are spread evenly over those there are.
    fn index_of(&self, slot: u64) -> u64 {
        self.first + ((u128::from(slot) * u128::from(self.objects)) / u128::from(self.distinct)) as u64
    }

    /// The next operation.
    pub fn next_op(&mut self) -> Op {
        if let [(op, _)] = self.mix[..] {
            return op;
        }
        let mut left = self.choice.below(u64::from(self.weights)) as u32;
        for &(op, weight) in &self.mix {
            if left < weight {
                return op;
            }
            left -= weight;
        }
        Op::Get
    }

    /// The index of the next object to write.
    pub fn next_put(&mut self) -> u64 {
        self.next_index += 1;
        self.next_index - 1
    }

    /// The first index nobody wrote yet.
    pub fn next_index(&self) -> u64 {
        self.next_index
    }

    /// A random object that is there, for a listing to start behind.
    pub fn any(&mut self) -> u64 {
        self.first + self.choice.below(self.objects)
    }

    /// A random object of those whose requests are signed, and its request.
    pub fn ready(&mut self, op: Op) -> Option<(u64, &[u8])> {
        let slot = self.choice.below(self.distinct);
        let index = self.index_of(slot);
        let (_, signed) = self.ready.iter().find(|part| part.0 == op)?;
        Some((index, signed.get(slot as usize)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_mix_are_kept_and_writes_go_behind_what_is_read() {
        let mix = vec![(Op::Get, 70), (Op::Put, 30)];
        let config = Config { mix, objects: 1000, distinct: 10, ..Config::default() };
        let mut workload = Workload::new(&config, &mut Requests::new(&config));
        let puts = (0..10_000).filter(|_| workload.next_op() == Op::Put).count();
        assert!((2700..3300).contains(&puts), "{puts}");
        assert_eq!((workload.next_put(), workload.next_put(), workload.next_index()), (1000, 1001, 1002));
        for _ in 0..1000 {
            let (index, _) = workload.ready(Op::Get).unwrap();
            assert!(index % 100 == 0 && index < 1000);
            assert!(workload.any() < 1000);
        }
        assert!(workload.ready(Op::Head).is_none());
    }
}
