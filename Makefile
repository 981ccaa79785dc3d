# Two commands do everything on a machine with git, make and some Python with pip:
#   make demo    set up, run the demo survey from wave to estimate, keep serving (EXIT=1: stop after printing)
#   make test    set up, run the tests
.PHONY: help setup demo test test-slow references bench live faults replicas fuzz lint check clean

help:
	@printf '%s\n' \
	 'make demo         set up, run the demo survey from wave to estimate, keep serving' \
	 'make demo EXIT=1  the same, but stop after printing; status 0 only if every step happened' \
	 'make test         set up, run the tests (some twelve minutes on two cores)' \
	 'make test-slow    the tests that take longer: fits on the public cases' \
	 'make references   sample anew what the fast engine is compared with (CASES="rw1 ar1": these only)' \
	 'make faults       kill -9 at every point of what changes waves, 20 times each (TIMES=1 ONLY=push: less), and' \
	 '                  of a whole service under load, its worker, database, disk, clock (LIVE=service-killed), and of' \
	 '                  a Dask cluster in the middle of forty fits' \
	 'make replicas     two web servers and two workers on PostgreSQL under mixed load for half an hour (MINUTES=2: less)' \
	 'make fuzz         3,000 requests made from /openapi.json on each store (CASES=300 ONLY=sqlite: less)' \
	 'make bench        speed and accuracy, with reports in tests/benchmarks/reports' \
	 'make live         a running service: wave to release under readers, and a burst for 100 surveys; the same' \
	 'make lint         ruff and mypy' \
	 'make check        what continuous integration runs' \
	 'make clean        remove the virtual environment, caches and demo data'

setup:
	@.ci/setup

demo: setup
	@.venv/bin/hustings demo --data-dir .demo $(if $(EXIT),--exit) $(if $(PORT),--port $(PORT))

# One thread per process for linear algebra: the engines and the tests use the cores themselves.
test test-slow references bench live: export OPENBLAS_NUM_THREADS = 1

test: setup
	@.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: setup
	@.venv/bin/python -m pytest -m slow --timeout 1800 $(ARGS)

# The public case where it is, else a synthetic survey.
PUBLIC = $(or $(HUSTINGS_CASES),../shared/data)
CCES = $(if $(wildcard $(PUBLIC)/cces2018),tests/cases/cces2018 --data $(PUBLIC)/cces2018)

references: setup
	.venv/bin/python -m tests.agreement.references $(CASES)

bench: REPORTS = tests/benchmarks/reports
bench: setup
	@mkdir -p $(REPORTS)
	.venv/bin/python tests/benchmarks/bench_fit.py $(if $(BAMBI),--bambi $(BAMBI)) > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/fit.json && cat $(REPORTS)/fit.json
	.venv/bin/python tests/benchmarks/bench_poststratify.py > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/poststratify.json && cat $(REPORTS)/poststratify.json
	.venv/bin/python tests/benchmarks/accuracy.py > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/accuracy.json && tail -n 40 $(REPORTS)/accuracy.json
	.venv/bin/hustings bench ingest --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/ingest.json && cat $(REPORTS)/ingest.json
	.venv/bin/hustings bench api $(CCES) --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/api.json && cat $(REPORTS)/api.json
	.venv/bin/hustings bench pages $(CCES) --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/pages.json && cat $(REPORTS)/pages.json

# With the interviews of cces2018 where they are, else with those of a synthetic survey; the burst and the many
# questions are always synthetic.
live: REPORTS = tests/benchmarks/reports
live: ALL = $(and $(CCES),--interviews responses.parquet)
live: setup
	@mkdir -p $(REPORTS)
	.venv/bin/hustings bench live $(CCES) $(ALL) --base 5000 --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/live.json && cat $(REPORTS)/live.json
	.venv/bin/hustings bench live $(or $(CCES) $(ALL),--base 50000) --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/live_all.json && cat $(REPORTS)/live_all.json
	.venv/bin/hustings bench burst --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/burst.json && cat $(REPORTS)/burst.json
	.venv/bin/hustings bench forty --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/forty.json && cat $(REPORTS)/forty.json
	.venv/bin/hustings bench dask --size 90000 --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/dask.json && cat $(REPORTS)/dask.json
	.venv/bin/hustings bench scale --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/scale.json && cat $(REPORTS)/scale.json
	.venv/bin/hustings bench growth --json > $(REPORTS)/.part
	@mv $(REPORTS)/.part $(REPORTS)/growth.json && cat $(REPORTS)/growth.json

faults: setup
	$(if $(LIVE),,.venv/bin/python -m tests.faults.drill --times $(or $(TIMES),20) $(if $(ONLY),--only $(ONLY),--report))
	$(if $(ONLY)$(LIVE),,.venv/bin/python -m tests.faults.dask --report)
	$(if $(ONLY),,.venv/bin/python -m tests.faults.live $(if $(TIMES),--times $(TIMES)) $(if $(LIVE),--only $(LIVE),--report))

replicas: export OPENBLAS_NUM_THREADS = 1
replicas: setup
	.venv/bin/python -m tests.faults.replicas $(if $(MINUTES),--minutes $(MINUTES),--report)

fuzz: setup
	.venv/bin/python -m tests.contract.fuzz $(if $(ONLY),--store $(ONLY)) $(if $(CASES),--cases $(CASES),--report)

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

check:
	@bash .ci/run

clean:
	rm -rf .venv .tools .cache .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
