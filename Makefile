# The two commands of the README, and what they are made of.
.PHONY: demo test lint deny build redis interop fuzz valkey instructions

# The main job, on a Redis server of its own: generate, store, read back, compare.
demo: redis
	cargo run --release --locked --quiet -p arrowredis-cli -- demo

# All tests: of the library and the command on real servers, and with pyarrow and redis-py.
test: redis
	cargo test --workspace --locked
	$(MAKE) interop

# What pyarrow wrote, read by us, and the reverse. Builds what `cargo test` has built already.
interop: redis
	cargo test --workspace --locked --no-run --quiet
	scripts/interop

# What is different from server to server, on the newest Valkey. Builds what `cargo test` has built.
valkey:
	ARROWREDIS_SERVER=$$(scripts/need-valkey 9.1) cargo test --workspace --locked --test suite --test cluster -- \
		store_contract publishing:: verbs:: main_job

# Every parser of outside bytes, some seconds each; `scripts/fuzz SECONDS TARGET` for longer.
fuzz:
	scripts/fuzz

# How many instructions the hot paths take, under callgrind, beside what they took before.
instructions: redis
	cargo build --release --locked --quiet -p arrowredis-cli
	scripts/instructions

lint:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path benchsuite/Cargo.toml --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	cargo clippy --package arrowredis --lib --locked -- --cfg fuzzing --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked --quiet

# The licences, bans and sources of all dependencies.
deny:
	scripts/deny

redis:
	@scripts/need-redis
