// The one script of both workers, so that what they share is fetched once; who starts it decides what it is asked to do.
import { learnCalls } from "./learn.worker.ts";
import { predictCalls } from "./predict.worker.ts";
import type { LearnCalls, PredictCalls } from "./protocol.ts";
import { type Endpoint, serve } from "./rpc.ts";

serve<PredictCalls & LearnCalls>(self as unknown as Endpoint, { ...predictCalls, ...learnCalls });
