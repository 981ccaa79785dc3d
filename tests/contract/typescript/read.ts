// Reads one estimate with a client whose types were generated from /openapi.json, and is refused one.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { env: Record<string, string>; stdout: { write(text: string): void } };

type Estimates = components["schemas"]["EstimatesPayload"];
type Problem = components["schemas"]["Problem"];

const client = createClient<paths, "application/json" | "application/problem+json">({
  baseUrl: process.env.HUSTINGS_URL,
  headers: { Authorization: `Bearer ${process.env.HUSTINGS_KEY}` },
});
const ESTIMATES = "/v1/surveys/{survey_id}/questions/{question_id}/estimates";
const path = { survey_id: "town", question_id: "rail" };

async function read(level: string): Promise<Estimates | Problem> {
  const { data, error } = await client.GET(ESTIMATES, { params: { path, query: { level, interval: "0.9" } } });
  return data ?? error;
}

// Typos are found when this is compiled, not when it runs.
// @ts-expect-error
const _misspelt = () => client.GET(ESTIMATES, { params: { path, query: { levle: "nation" } } });
// @ts-expect-error
const _unknown = (answer: Estimates) => answer.estimates[0].shares;

const answer = await read("nation");
if (!("estimates" in answer)) throw new Error(answer.detail);
const [row] = answer.estimates;
const { share, low, high, n_interviews } = row;
// Without an interval the option does not stand there.
const width: number | null = low === null || high === null ? null : high - low;
const interviews: number | null = n_interviews;

const refused = await read("moon");
if (!("title" in refused)) throw new Error("the moon has estimates");

process.stdout.write(JSON.stringify({ share, width, interviews, release: answer.release_id, refused: refused.type }));
