import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { FunnelView } from '#libs/onboarding';
import { Page } from '../web/page-writer.js';
import { PATHS } from '../web/paths.js';
import { FunnelPage } from './funnel.page.js';

const DAY_MS = 86_400_000;
const DAYS = 14;
const MAX_DAYS = 366;

const emptyToUndefined = (value: unknown) => (value === '' ? undefined : value);
const query = z
  .object({
    integration: z.preprocess(
      emptyToUndefined,
      z
        .string()
        .max(256)
        .refine((value) => !value.includes('\0'))
        .optional(),
    ),
    from: z.preprocess(emptyToUndefined, z.iso.date().optional()),
    to: z.preprocess(emptyToUndefined, z.iso.date().optional()),
  })
  .transform(({ from, to = dayOf(Date.now()), integration }) => ({
    integration,
    from: from ?? dayOf(Date.parse(to) - (DAYS - 1) * DAY_MS),
    to,
  }))
  .refine(({ from, to }) => from <= to && Date.parse(to) - Date.parse(from) < MAX_DAYS * DAY_MS);

const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);

@Controller(PATHS.funnel)
export class FunnelController {
  constructor(private readonly view: FunnelView) {}

  @Get()
  async funnel(@Query() input: unknown): Promise<Page> {
    const asked = query.safeParse(input);
    if (!asked.success) {
      const detail = `Give days as YYYY-MM-DD, the first before the last, at most ${MAX_DAYS} days apart.`;
      throw new ProblemError('validation_failed', { detail });
    }
    const { integration, from, to } = asked.data;
    const funnel = await this.view.read({ from, to, ...(integration !== undefined && { integration }) });
    return new Page('Funnel', <FunnelPage funnel={funnel} />);
  }
}
