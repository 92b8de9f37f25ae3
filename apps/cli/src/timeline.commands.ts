import { isUuid } from '#libs/kernel';
import type { Timelines } from '#libs/onboarding';
import { FailedWithAnswer, Misuse, type Group } from './command.js';

const PAGE = 200;

type Report = Awaited<ReturnType<Timelines['verifyTimeline']>>;

export const TIMELINE: Group = {
  verify: {
    usage: '<onboarding>|all',
    summary: 'Checks that a timeline, or every timeline, is unchanged. Exit code 1 if one has changed.',
    options: {},
    positionals: 1,
    plan({ positionals: [which = ''] }) {
      if (which !== 'all' && !isUuid(which)) throw new Misuse('give the id of an onboarding, or "all".');
      return async ({ timelines }) => {
        const counts = { timelines: 0, events: 0, anchored: 0 };
        const broken: Report[] = [];
        for await (const report of which === 'all'
          ? every(timelines)
          : [await timelines.verifyTimeline(which)]) {
          counts.timelines += 1;
          counts.events += report.events;
          if (report.anchoredSeq !== null) counts.anchored += 1;
          if (report.fault) broken.push(report);
        }
        const lines = [
          ...broken.map(lineOf),
          ...(noAnchorMatches(counts.anchored, broken)
            ? ['No anchor matches its timeline. Is HASH_KEY the key with which this database was written?']
            : []),
          `${counts.timelines} timelines of ${counts.events} events, ` +
            `${counts.anchored} of them anchored: ${broken.length} broken.`,
        ];
        const answer = { lines, json: { ...counts, broken } };
        if (broken.length > 0) throw new FailedWithAnswer(answer);
        return answer;
      };
    },
  },
};

async function* every(timelines: Timelines): AsyncGenerator<Report> {
  for (let after: string | null = null; ;) {
    const { reports, next } = await timelines.verifyTimelines(after, PAGE);
    yield* reports;
    if (next === null) return;
    after = next;
  }
}

const WHAT_IS_WRONG = {
  missing: 'is missing',
  surplus: 'was added',
  anchor: 'or an event before it has changed: the anchor, made when the onboarding ended, does not match',
};

/** If all anchors are wrong, HASH_KEY is probably the wrong key. */
const noAnchorMatches = (anchored: number, broken: Report[]) =>
  anchored > 0 && broken.filter(({ fault }) => fault!.fault === 'anchor').length === anchored;

const lineOf = ({ onboardingId, fault }: Report) =>
  `${onboardingId}: event ${fault!.seq} ${WHAT_IS_WRONG[fault!.fault]}.`;
