//! Every committed seed goes through its target in every test run, and every target has seeds and a fuzzing binary.

use std::fs;
use std::path::Path;

use panthera_fuzz::TARGETS;

#[test]
fn every_seed_of_every_target_passes() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut bytes = 0;
    for (name, run) in TARGETS {
        assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).is_file(), "{name} has no binary");
        let mut seeds: Vec<_> = fs::read_dir(fuzz.join("corpus").join(name))
            .unwrap_or_else(|error| panic!("{name} has no seeds: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        run(b"");
        for seed in seeds {
            let input = fs::read(&seed).unwrap();
            bytes += input.len();
            let outcome = std::panic::catch_unwind(|| run(&input));
            assert!(outcome.is_ok(), "{} fails its target", seed.display());
        }
    }
    // A repository is no place for a corpus that a machine collected.
    assert!(bytes < 200 << 10, "{bytes} bytes of seeds");
    let binaries = fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count();
    assert_eq!(binaries, TARGETS.len(), "a binary without a target");
}
