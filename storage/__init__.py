"""The four pillars and their jobs.

`api` says what stores promise, `memory` is the engine Python tests use, `native` is the door to Rust, `records` are the
codecs of every stored row.
"""
