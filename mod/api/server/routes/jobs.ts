/** `/api/v1/orchestrator/jobs` (rest-api.md 7.4). Logs are a WebSocket and live in `logs.ts`. */
import type { Hono } from 'hono';
import { BacalhauError, specConfigCodec } from '../../../model/mod.ts';
import type { ApiOptions } from '../options.ts';
import type { HistoryPage, JobListQuery, VersionQuery } from '../../../model/mod.ts';
import type { JobsBackend } from '../backend.ts';
import { readBody } from '../body.ts';
import { type ApiContext, type ApiEnv, reply, replyText } from '../context.ts';
import { requestError } from '../errors.ts';
import { executionText, historyText, jobText, listText } from '../json_text.ts';
import { decodeToken, encodeToken } from '../paging.ts';
import type { Query } from '../query.ts';
import { replyList } from '../reply_list.ts';
import { readSelector } from '../selector.ts';
import { wantsLegacyHistory } from '../version_gate.ts';

const DEFAULT_HISTORY_LIMIT = 100;
const EVENT_TYPES = ['all', 'job', 'execution'] as const;

export function jobRoutes(app: Hono<ApiEnv>, jobs: JobsBackend, { bodyLimit }: ApiOptions): void {
  const base = '/api/v1/orchestrator/jobs';

  const submit = async (c: ApiContext): Promise<Response> => {
    const body = await readBody(c, bodyLimit);
    const job = body.get('Job');
    if (job === undefined) throw requestError('Cannot submit the job: the request has no member "Job"');
    const installation = c.req.raw.headers.get('x-bacalhau-installationid');
    const instance = c.req.raw.headers.get('x-bacalhau-instanceid');
    const token = body.text('IdempotencyToken');
    const { JobID, EvaluationID, Warnings } = await jobs.submit({
      job,
      force: body.bool('Force'),
      ...(installation ? { clientInstallationId: installation } : {}),
      ...(instance ? { clientInstanceId: instance } : {}),
      ...(token ? { idempotencyKey: token } : {}),
    });
    return reply(c, { JobID, EvaluationID, Warnings: Warnings.length > 0 ? Warnings : null });
  };
  app.put(base, submit);
  app.post(base, submit);

  app.get(base, async (c) => {
    const query = readListQuery(c.get('query'));
    if (query.limit === 0) return await replyList(c, jobs.allJobs(query), jobText);
    const { items, next } = await jobs.listJobs(query);
    const token = next === undefined ? '' : encodeToken({ ...query, offset: BigInt(next) });
    return replyText(c, listText(items.map(jobText), token));
  });

  app.get(`${base}/:id`, async (c) => {
    const query = c.get('query');
    const ref = c.req.param('id');
    const job = await jobs.getJob(ref, readVersions(query));
    // What else is told is of that version, whatever is submitted meanwhile.
    const versions = { namespace: '', version: job.Version, allVersions: false };
    const include = query.text('include').split(',').map((word) => word.trim());
    const members = [`"Job":${jobText(job)}`];
    if (include.includes('history')) {
      const page = await jobs.history(job.ID, {
        ...versions,
        eventType: 'all',
        executionId: '',
        since: 0n,
        fromSeqNum: 0n,
        limit: DEFAULT_HISTORY_LIMIT,
      });
      members.push(`"History":${listText(historyTexts(c, page))}`);
    }
    if (include.includes('executions')) {
      const executions = await jobs.executions(job.ID, {
        ...versions,
        orderBy: 'created_at',
        reverse: false,
        limit: 0,
      });
      members.push(`"Executions":${listText(executions.map(executionText))}`);
    }
    return replyText(c, `{${members.join(',')}}`);
  });

  app.delete(`${base}/:id`, async (c) => {
    const query = c.get('query');
    const body = await readBody(c, bodyLimit);
    const { EvaluationID } = await jobs.stopJob(c.req.param('id'), {
      namespace: body.has('Namespace') ? body.text('Namespace') : query.text('namespace'),
      // The Python SDK and the original's web page send the reason in the query.
      reason: body.text('reason') || query.text('reason'),
    });
    return reply(c, { EvaluationID });
  });

  app.get(`${base}/:id/history`, async (c) => {
    const query = c.get('query');
    const eventType = EVENT_TYPES.find((type) => type === (query.text('event_type') || 'all'));
    if (!eventType) {
      throw requestError(
        `Cannot list history: event_type "${query.text('event_type')}" is none of ${EVENT_TYPES.join(', ')}`,
      );
    }
    const token = query.text('next_token') ? decodeToken(query.text('next_token')) : undefined;
    const asked = query.uint32('limit') || token?.limit || 0;
    const page = await jobs.history(c.req.param('id'), {
      ...readVersions(query),
      eventType,
      executionId: query.text('execution_id'),
      since: query.int64('since'),
      fromSeqNum: token?.offset ?? 0n,
      limit: asked || DEFAULT_HISTORY_LIMIT,
    });
    const next = page.next === undefined
      ? ''
      : encodeToken({ orderBy: '', reverse: false, limit: asked, offset: page.next });
    return replyText(c, listText(historyTexts(c, page), next));
  });

  app.get(`${base}/:id/executions`, async (c) => {
    const query = c.get('query');
    const executions = await jobs.executions(c.req.param('id'), {
      ...readVersions(query),
      orderBy: readOrder(query.text('order_by'), EXECUTION_ORDERS),
      reverse: query.bool('reverse'),
      limit: query.uint32('limit'),
    });
    return replyText(c, listText(executions.map(executionText)));
  });

  app.get(`${base}/:id/versions`, async (c) => {
    const versions = await jobs.versions(c.req.param('id'), { namespace: c.get('query').text('namespace') });
    return replyText(c, listText(versions.map(jobText)));
  });

  app.get(`${base}/:id/results`, async (c) => {
    const results = await jobs.results(c.req.param('id'), readVersions(c.get('query')));
    return reply(c, { NextToken: '', Items: results.map(specConfigCodec.encode) });
  });
}

function readVersions(query: Query): VersionQuery {
  return {
    namespace: query.text('namespace'),
    ...query.version('job_version'),
    allVersions: query.bool('all_job_versions'),
  };
}

const JOB_ORDERS = {
  '': 'created_at',
  created_at: 'created_at',
  modified_at: 'modified_at',
  id: 'id',
} as const;
const EXECUTION_ORDERS = {
  '': 'created_at',
  created_at: 'created_at',
  create_time: 'created_at',
  modified_at: 'modified_at',
  modify_time: 'modified_at',
} as const;

function readOrder<T extends string>(text: string, orders: Readonly<Record<string, T>>): T {
  const order = Object.hasOwn(orders, text) ? orders[text] : undefined;
  if (order) return order;
  const valid = [...new Set(Object.values(orders))].join(', ');
  throw new BacalhauError('BadRequest', `Cannot order by "${text}": it is none of ${valid}`, {
    component: 'APIServer',
    hint: `Order by one of ${valid}.`,
  });
}

function readListQuery(query: Query): JobListQuery {
  const common = { namespace: query.text('namespace'), labels: readSelector(query) };
  const text = query.text('next_token');
  if (text === '') {
    return {
      ...common,
      orderBy: readOrder(query.text('order_by'), JOB_ORDERS),
      reverse: query.bool('reverse'),
      limit: query.uint32('limit'),
      offset: 0,
    };
  }
  const token = decodeToken(text);
  return {
    ...common,
    orderBy: readOrder(token.orderBy, JOB_ORDERS),
    reverse: token.reverse,
    limit: token.limit,
    offset: Number(token.offset),
  };
}

function historyTexts(c: ApiContext, page: HistoryPage): string[] {
  const texts = page.items.map(historyText);
  if (!wantsLegacyHistory(c.req.raw.headers.get('x-bacalhau-git-version') ?? '')) return texts;
  return texts.map((text, index) => {
    const key = page.items[index]!.Type === 'JobLevel' ? 'JobState' : 'ExecutionState';
    return `${text.slice(0, -1)},"${key}":{}}`;
  });
}
