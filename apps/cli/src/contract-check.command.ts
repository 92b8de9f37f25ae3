import { parseConfig } from '#libs/platform';
import { PROVIDERS, checkContracts, type ContractFinding } from '#libs/upstream';
import { Misuse, NotAsItShould, type StandaloneCommand } from './command.js';

/** It needs the settings of the service and no database, so it can run before a key or a provider is used. */
export const CONTRACT_CHECK: StandaloneCommand = {
  usage: '[<integration>]',
  summary:
    'Signs a harmless probe to each integration with each of its keys, and says what it learned. ' +
    'Needs the settings of the service. Exit code 1 if one is not fine.',
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
      const answer = { lines: findings.flatMap(linesOf), json: { items: findings } };
      if (findings.every(({ ok }) => ok)) return answer;
      throw new NotAsItShould(answer);
    };
  },
};

function linesOf(found: ContractFinding): string[] {
  const { integration, provider, ok, key, reachable, keyAccepted, status, detail, certificates } = found;
  const key2 = { true: 'accepted', false: 'refused', null: 'not shown by this answer' } as const;
  const head = `${ok ? 'ok  ' : 'BAD '} ${integration} (${provider})`;
  if (found.class === 'key_unusable') return [head, `     key not opened, so nothing was sent: ${detail}`];
  return [
    head,
    `     ${reachable ? `reachable, status ${status}` : 'no answer'}, class ${found.class}`,
    `     ${found.latencyMs} ms from request to answer`,
    `     key ${key === null ? 'none: the service signs nothing here' : `${key}: ${key2[`${keyAccepted}`]}`}`,
    `     clocks ${found.clockApartMs === null ? 'cannot be compared' : `${found.clockApartMs} ms apart`}`,
    ...certificates.map(
      ({ address, validUntil }) => `     certificate of ${address} until ${validUntil ?? '?'}`,
    ),
    ...(detail === null ? [] : [`     ${detail}`]),
    ...(found.unknownText === null ? [] : [`     unknown text: ${found.unknownText}`]),
  ];
}
