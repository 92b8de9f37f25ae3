import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';

export interface Roles {
  databaseUrl: string;
  databasePassword: string;
  redisUrl: string;
  redisPassword: string;
  close(): Promise<void>;
}

/** @param databaseUrl a URL whose user may create roles. */
export async function openRoles(databaseUrl: string, redisUrl: string): Promise<Roles> {
  const name = `canary_${randomBytes(6).toString('hex')}`;
  const [databasePassword, redisPassword] = [1, 2].map(() => randomBytes(24).toString('base64url')) as [
    string,
    string,
  ];
  const role = escapeIdentifier(name);
  const sql = async (text: string) => {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  };
  const owner = escapeIdentifier(decodeURIComponent(new URL(databaseUrl).username));
  await sql(`CREATE ROLE ${role} LOGIN PASSWORD ${escapeLiteral(databasePassword)} IN ROLE ${owner}`);
  const redis = new Redis(redisUrl);
  await redis.call('ACL', 'SETUSER', name, 'on', `>${redisPassword}`, '~*', '&*', '+@all');
  return {
    databaseUrl: withPassword(databaseUrl, name, databasePassword),
    databasePassword,
    redisUrl: withPassword(redisUrl, name, redisPassword),
    redisPassword,
    async close() {
      await redis.call('ACL', 'DELUSER', name);
      redis.disconnect();
      await sql(`DROP ROLE ${role}`);
    },
  };
}

export function withPassword(url: string, username: string, password: string): string {
  const changed = new URL(url);
  changed.username = username;
  changed.password = password;
  return changed.href;
}
