//! What a run came to, as one JSON object. Written by hand: a dozen fields do not need a serializer.

use crate::config::Op;
use crate::hist::Histogram;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Different errors kept; a broken server would otherwise fill the memory with its messages.
const ERROR_KINDS: usize = 20;

/// Figures of the measured window.
#[derive(Default)]
pub struct Report {
    /// Latencies by operation; errors are not in them.
    pub latency: Vec<(Op, Histogram)>,
    /// Errors by message.
    pub errors: BTreeMap<String, u64>,
    /// Body bytes received.
    pub received: u64,
    /// Keys and prefixes listed.
    pub items: u64,
    /// Length of the window.
    pub seconds: f64,
    /// Processor time of the generator.
    pub client_cpu_s: f64,
    /// Processor time of the watched process.
    pub server_cpu_s: Option<f64>,
    /// Its anonymous memory at the beginning and the end.
    pub rss_anon: (Option<u64>, Option<u64>),
    /// The first index nobody wrote.
    pub next_index: u64,
}

/// Nanoseconds as microseconds with three digits.
fn micros(value_ns: f64) -> String {
    format!("{:.3}", value_ns / 1e3)
}

fn optional(value: Option<impl std::fmt::Display>) -> String {
    value.map_or("null".into(), |value| value.to_string())
}

/// A JSON string.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if (letter as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", letter as u32);
            }
            letter => out.push(letter),
        }
    }
    out + "\""
}

impl Report {
    /// Counts an answer.
    pub fn latency(&mut self, op: Op, value_ns: u64) {
        let known = self.latency.iter().position(|part| part.0 == op);
        let position = known.unwrap_or_else(|| {
            self.latency.push((op, Histogram::default()));
            self.latency.len() - 1
        });
        self.latency[position].1.record(value_ns);
    }

    /// Counts an error.
    pub fn error(&mut self, message: &str) {
        let known = self.errors.contains_key(message) || self.errors.len() < ERROR_KINDS;
        *self.errors.entry(if known { message } else { "others" }.to_owned()).or_default() += 1;
    }

    /// How many requests were answered as they should.
    pub fn count(&self) -> u64 {
        self.latency.iter().map(|part| part.1.count()).sum()
    }

    /// One line of JSON.
    pub fn json(&self) -> String {
        let count = self.count();
        let failed: u64 = self.errors.values().sum();
        let errors: Vec<_> = self.errors.iter().map(|(text, count)| format!("{}:{count}", quoted(text))).collect();
        let latency: Vec<_> = self.latency.iter().map(|(op, histogram)| operation(*op, histogram)).collect();
        let per_second = |value: f64| if self.seconds > 0.0 { value / self.seconds } else { 0.0 };
        format!(
            "{{\"count\":{count},\"errors\":{failed},\"error_kinds\":{{{}}},\"seconds\":{:.6},\"rps\":{:.1},\
             \"received_bytes\":{},\"items\":{},\"client_cpu_s\":{:.6},\"client_share\":{:.4},\"server_cpu_s\":{},\
             \"rss_anon_before\":{},\"rss_anon_after\":{},\"next_index\":{},\"ops\":{{{}}}}}",
            errors.join(","),
            self.seconds,
            per_second(count as f64),
            self.received,
            self.items,
            self.client_cpu_s,
            per_second(self.client_cpu_s),
            optional(self.server_cpu_s),
            optional(self.rss_anon.0),
            optional(self.rss_anon.1),
            self.next_index,
            latency.join(",")
        )
    }
}

fn operation(op: Op, histogram: &Histogram) -> String {
    let quantile = |share| micros(histogram.quantile(share) as f64);
    format!(
        "{}:{{\"count\":{},\"mean_us\":{},\"p50_us\":{},\"p90_us\":{},\"p99_us\":{},\"p999_us\":{},\"max_us\":{}}}",
        quoted(op.name()),
        histogram.count(),
        micros(histogram.mean()),
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        quantile(0.999),
        micros(histogram.max() as f64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_bounded_and_escaped() {
        let mut report = Report::default();
        (0..100).for_each(|number| report.error(&format!("\"{number}\n")));
        assert_eq!(report.errors.len(), ERROR_KINDS + 1);
        assert_eq!(report.errors["others"], 80);
        report.latency(Op::Get, 1500);
        assert!(report.json().contains(r#""get":{"count":1,"mean_us":1.500,"p50_us":1.500"#), "{}", report.json());
        assert!(report.json().contains(r#""\"0\u000a":1"#) && report.json().contains("\"errors\":100"));
    }
}
