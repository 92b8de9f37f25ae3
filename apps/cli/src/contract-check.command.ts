import { parseConfig } from '#libs/platform';
import { PROVIDERS, checkContracts, type ContractFinding } from '#libs/upstream';
import { FailedWithAnswer, Misuse, type StandaloneCommand } from './command.js';

/** Needs no database, so an operator can check a new signing key or provider before the service uses it. */
export const CONTRACT_CHECK: StandaloneCommand = {
  usage: '[<integration>]',
  summary:
    'Signs a harmless probe to each integration with each of its keys, and shows the result. ' +
    'Needs the settings of the service. Exit code 1 if anything is wrong.',
  options: {},
  positionals: [0, 1],
  planAlone({ positionals: [name] }) {
    return async (env) => {
      const config = parseConfig(env, PROVIDERS);
      const integrations = config.INTEGRATIONS.filter((each) => name === undefined || each.name === name);
      if (integrations.length === 0) {
        const names = config.INTEGRATIONS.map((each) => each.name).join(', ');
        throw new Misuse(`there is no integration "${name}". INTEGRATIONS has: ${names}.`);
      }
      const findings = await checkContracts(config, integrations);
      const answer = {
        lines: findings.flatMap((each) => linesOf(each, findings)),
        json: { items: findings },
      };
      if (findings.every(({ ok }) => ok)) return answer;
      throw new FailedWithAnswer(answer);
    };
  },
};

function linesOf(found: ContractFinding, all: readonly ContractFinding[]): string[] {
  const { integration, provider, ok, key, reachable, keyAccepted, status, detail, certificates } = found;
  const key2 = { true: 'accepted', false: 'refused', null: 'not shown by this answer' } as const;
  const keys = all.filter((each) => each.integration === integration);
  const which = keys.length > 1 ? `key ${keys.indexOf(found) + 1} of ${keys.length},` : 'key';
  const head = `${ok ? 'ok  ' : 'BAD '} ${integration} (${provider})`;
  if (found.class === 'key_unusable') {
    return [head, `     ${which} not opened, so nothing was sent: ${detail}`];
  }
  const verdict = key === null ? 'none: the service signs nothing here' : `${key}: ${key2[`${keyAccepted}`]}`;
  return [
    head,
    `     ${reachable ? `reachable, status ${status}` : 'no answer'}, class ${found.class}`,
    `     ${found.latencyMs} ms from request to answer`,
    `     ${which} ${verdict}`,
    `     clocks ${found.clockApartMs === null ? 'cannot be compared' : `${found.clockApartMs} ms apart`}`,
    ...certificates.map(
      ({ address, validUntil }) => `     certificate of ${address} until ${validUntil ?? '?'}`,
    ),
    ...(detail === null ? [] : [`     ${detail}`]),
    ...(found.unknownText === null ? [] : [`     unknown text: ${found.unknownText}`]),
  ];
}
