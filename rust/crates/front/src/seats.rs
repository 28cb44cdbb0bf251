//! How many connections an address may have open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Open connections by client address.
#[derive(Default)]
pub struct Seats(Mutex<HashMap<IpAddr, usize>>);

impl Seats {
    /// Counts one more, unless that is too many.
    pub fn enter(self: &Arc<Self>, ip: IpAddr, most: usize) -> Option<Seat> {
        let mut counts = self.0.lock();
        let count = counts.entry(ip).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { seats: self.clone(), ip })
    }
}

/// One of them; given back when it is dropped.
pub struct Seat {
    seats: Arc<Seats>,
    ip: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.seats.0.lock();
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_seats_and_no_more() {
        let seats = Arc::new(Seats::default());
        let ip = IpAddr::from([127, 0, 0, 1]);
        let (a, b) = (seats.enter(ip, 2), seats.enter(ip, 2));
        assert!(a.is_some() && b.is_some());
        assert!(seats.enter(ip, 2).is_none());
        assert!(seats.enter(IpAddr::from([127, 0, 0, 2]), 2).is_some());
        drop(a);
        assert!(seats.enter(ip, 2).is_some());
        drop(b);
        assert!(seats.0.lock().is_empty());
    }
}
