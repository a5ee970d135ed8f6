"""The published Django application django-dkron, unchanged, against a server: jobs of its models synchronised, changed
in place, run at once, deleted."""

import sys

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "dkron"],
    DKRON_URL=f"http://{sys.argv[1]}",
    DKRON_PATH="/ui/",
    DKRON_NAMESPACE="shop",
    SECRET_KEY="of no account",
    USE_TZ=True,
)
django.setup()

import requests
from django.core.management import call_command
from dkron import models, utils

call_command("migrate", verbosity=0)


def shown(name):
    return requests.get(f"http://{sys.argv[1]}/v1/jobs/{name}", timeout=10)


parent = models.Job.objects.create(name="report", schedule="@daily", command="echo report", use_shell=True)
models.Job.objects.create(name="mail", schedule="@parent report", command="echo mail", retries=2)
assert list(utils.resync_jobs()) == [("report", "u", None), ("mail", "u", None)]
report, mail = shown("shop_report").json(), shown("shop_mail").json()
assert report["dependent_jobs"] == ["shop_mail"] and mail["parent_job"] == "shop_report", (report, mail)
assert (mail["retries"], mail["metadata"]) == (2, {"cron": "auto"}), mail

# A job fetched, changed and posted back whole.
parent.enabled = False
parent.save()
utils.sync_job(parent, job_update=None)
assert shown("shop_report").json()["disabled"] is True
assert shown("shop_report").json()["dependent_jobs"] == ["shop_mail"]

name, address = utils.run_async("check")
assert address == f"/ui/#/jobs/shop_{name}/show/executions", address
assert shown(f"shop_{name}").status_code == 200

models.Job.objects.filter(name="mail").delete()
assert list(utils.resync_jobs()) == [("report", "u", None), ("mail", "d", None)]
assert shown("shop_mail").status_code == 404
utils.delete_job(parent)
assert shown("shop_report").status_code == 404
try:
    utils.delete_job(parent)
except utils.DkronException as error:
    assert error.code == 404, error.code
else:
    raise SystemExit("a deleted job is deleted again")
print("django-dkron is content")
