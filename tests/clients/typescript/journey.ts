// The journey of docs/how-to/call-it-from-a-service.md with the types that openapi-typescript has made.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths, webhooks } from "./api.js";

const [url = "", token = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });

const rows = "key,bot.id,widget.properties.type\nts-1,100200301,normal\nts-2,100200302,normal\n";

type Body<Event extends keyof webhooks> =
  webhooks[Event]["post"]["requestBody"]["content"]["application/json"];

/** What a receiver of webhooks does with an event: its type tells which data it has. */
function told(event: Body<"batch.settled"> | Body<"job.dead">): string {
  switch (event.type) {
    case "batch.settled":
    case "batch.stopped":
    case "batch.braked":
      return `${event.data.batch}: ${event.data.states.succeeded} of ${event.data.accepted}`;
    default:
      return `${event.data.job}: ${event.data.reason}`;
  }
}

const body = { key: "ts-42", bot: { id: "100200342" } } satisfies components["schemas"]["NewJob"];
const params = { header: { "Idempotency-Key": "ts-42" } };
const one = await client.POST("/v1/jobs", { body, params });
assert.ok(one.data, JSON.stringify(one.error));
const verdict: components["schemas"]["Verdict"] = one.data.verdict;
assert.equal(verdict, "new");
const again = await client.POST("/v1/jobs", { body, params });
assert.equal(again.response.headers.get("Idempotent-Replayed"), "true");

const job = await client.GET("/v1/jobs/{job}", { params: { path: { job: one.data.job } } });
assert.equal(job.data?.state, "queued");
assert.equal(job.data.attempts.length, 0);
assert.match(told({ type: "job.dead", timestamp: "", data: job.data }), /accepted$/);

const taken = await client.POST("/v1/batches", {
  params: { query: { name: "of-ts" } },
  headers: { "Content-Type": "text/csv" },
  body: rows,
  bodySerializer: (text) => text as string,
});
assert.equal(taken.data?.accepted, 2, JSON.stringify(taken.error));

const path = { batch: "of-ts" };
const batch = await client.GET("/v1/batches/{batch}", { params: { path } });
assert.equal(batch.data?.states.queued, 2);
assert.match(told({ type: "batch.settled", timestamp: "", data: batch.data }), /: 0 of 2$/);

const query = { state: "queued", limit: 1 } as const;
const jobs = await client.GET("/v1/batches/{batch}/jobs", { params: { path, query } });
assert.deepEqual(jobs.data?.jobs.map((each) => each.key), ["ts-1"]);

const webhook = await client.PUT("/v1/batches/{batch}/webhook", {
  params: { path },
  body: { url: "https://crm.example/hooks/widgets" },
});
assert.match(webhook.data?.secret ?? "", /^whsec_/);

const missing = await client.GET("/v1/batches/{batch}", { params: { path: { batch: "nothing" } } });
assert.equal(missing.error?.type, "urn:widget-provisioner:problem:not-found");

// A misspelt member, state or route is an error of the compiler.
// @ts-expect-error
assert.equal(batch.data.state, undefined);
// @ts-expect-error
assert.ok(job.data.state !== "succeded");
// @ts-expect-error
assert.ok((await client.GET("/v1/batch")).error);
console.log("the journey is done");
