# The commands of the project; each is one script or one line, and CI calls the same.
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: demo test bench lint soak interop

# The whole job on this machine: real server, real agent, a scratch account tree. ARGS="--keep" and the like go through.
demo:
	$(CARGO) build --release --locked -p lapwing-server -p lapwing-agent -p lapwing-cli
	$(TARGET)/release/lapwing demo $(ARGS)

test:
	bash ci/test.sh

lint:
	bash ci/test.sh lint

bench:
	bash bench/run.sh

# Agent and server killed at random while they rotate (docs/reliability.md): make soak ROTATIONS=10000
soak:
	bash ci/soak.sh $(ROTATIONS) $(SEED)

# Both directions with LAPS4LINUX, from a checkout outside this repository: make interop LAPS4LINUX=DIR
interop:
	LAPS4LINUX="$(LAPS4LINUX)" bash ci/laps4linux.sh
