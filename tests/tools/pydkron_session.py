"""Dkron's published client pydkron, unchanged, against a server: each of its calls, and what it makes of the answers."""

import sys
import time

from pydkron.client import DkronClient, DkronJobNotFound


def wait_for_executions(client, name, count):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        runs = [run for run in client.get_executions(name) if not run["finished_at"].startswith("0001")]
        if len(runs) >= count:
            return runs
        time.sleep(0.05)
    raise SystemExit(f"no {count} executions of {name}")


client = DkronClient([sys.argv[1]])
assert client.status()["agent"]["name"], client.status()
assert client.jobs() == []

job = client.create_job({
    "name": "from-pydkron",
    "schedule": "@every 1h",
    "executor": "shell",
    "executor_config": {"command": "echo hello"},
    "owner": "ops",
    "retries": 1,
})
stored = client.get_job("from-pydkron")
assert (stored.schedule, stored.owner, stored.disabled) == ("@every 1h", "ops", False), stored
assert [one.name for one in client.jobs()] == ["from-pydkron"]

stored.owner = "others"
assert stored.save()["owner"] == "others"
assert client.get_job("from-pydkron").owner == "others"

assert job.run()["name"] == "from-pydkron"
runs = wait_for_executions(client, "from-pydkron", 1)
assert runs[0]["output"] == "hello\n" and runs[0]["success"] is True, runs
assert job.executions() == runs

assert client.toggle("from-pydkron").disabled is True
assert client.toggle("from-pydkron").disabled is False
assert job.delete()["name"] == "from-pydkron"
for call in (client.get_job, client.run_job, client.delete_job, client.get_executions, client.toggle):
    try:
        call("from-pydkron")
    except DkronJobNotFound:
        continue
    raise SystemExit(f"{call.__name__} finds a deleted job")
print("pydkron is content")
