"""The journey of docs/how-to/call-it-from-a-service.md with a client that openapi-python-client has made."""

import io
import sys

from provisioner.api.look import follow, list_jobs, show_batch, show_job
from provisioner.api.submit import submit_batch, submit_job
from provisioner.api.webhooks import set_webhook, show_webhook
from provisioner.client import AuthenticatedClient
from provisioner.models.batch import Batch
from provisioner.models.job import Job
from provisioner.models.job_page import JobPage
from provisioner.models.new_batch import NewBatch
from provisioner.models.new_job import NewJob
from provisioner.models.new_job_bot import NewJobBot
from provisioner.models.new_webhook import NewWebhook
from provisioner.models.problem import Problem
from provisioner.models.problem_type import ProblemType
from provisioner.models.reason import Reason
from provisioner.models.set_webhook_body import SetWebhookBody
from provisioner.models.state import State
from provisioner.models.taken_batch import TakenBatch
from provisioner.models.taken_one import TakenOne
from provisioner.models.verdict import Verdict
from provisioner.models.webhook_state import WebhookState
from provisioner.types import File

ROWS = b"key,bot.id,widget.properties.type\npython-1,100200301,normal\npython-2,100200302,normal\n"


def main(url: str, token: str) -> None:
    client = AuthenticatedClient(base_url=url, token=token)

    body = NewJob(key="python-42", bot=NewJobBot(id="100200342"))
    one = submit_job.sync(client=client, body=body, idempotency_key="python-42")
    assert isinstance(one, TakenOne), one
    assert one.verdict is Verdict.NEW
    again = submit_job.sync_detailed(client=client, body=body, idempotency_key="python-42")
    assert again.headers["Idempotent-Replayed"] == "true"

    job = show_job.sync(one.job, client=client)
    assert isinstance(job, Job), job
    assert job.state is State.QUEUED
    assert job.reason is Reason.ACCEPTED
    assert job.bounds.most == 0

    taken = submit_batch.sync(client=client, body=File(payload=io.BytesIO(ROWS)), name="of-python")
    assert isinstance(taken, TakenBatch), taken
    assert taken.accepted == 2
    assert taken.verdicts["new"] == 2
    more = NewBatch(jobs=[NewJob(key="python-3", bot=NewJobBot(id="100200303"))])
    assert isinstance(submit_batch.sync(client=client, body=more), TakenBatch)

    batch = show_batch.sync("of-python", client=client)
    assert isinstance(batch, Batch), batch
    assert batch.states.queued == 2
    assert not batch.settled

    jobs = list_jobs.sync("of-python", client=client, state=State.QUEUED, limit=1)
    assert isinstance(jobs, JobPage), jobs
    assert [each.key for each in jobs.jobs] == ["python-1"]
    rest = list_jobs.sync("of-python", client=client, state=State.QUEUED, cursor=jobs.next_ or "")
    assert isinstance(rest, JobPage), rest
    assert [each.key for each in rest.jobs] == ["python-2"]

    hook = SetWebhookBody(url="https://crm.example/hooks/widgets")
    webhook = set_webhook.sync("of-python", client=client, body=hook)
    assert isinstance(webhook, NewWebhook), webhook
    assert webhook.secret.startswith("whsec_")
    shown = show_webhook.sync("of-python", client=client)
    assert isinstance(shown, WebhookState), shown

    missing = show_batch.sync("nothing", client=client)
    assert isinstance(missing, Problem), missing
    assert missing.type_ is ProblemType.URNWIDGET_PROVISIONERPROBLEMNOT_FOUND
    assert follow.sync("nothing", client=client, last_event_id="1-0") is not None
    print("the journey is done")


main(*sys.argv[1:])
