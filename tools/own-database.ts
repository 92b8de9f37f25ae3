import { Client } from 'pg';

/** Whether the service of this database has started the onboarding. */
export async function hasOnboarding(databaseUrl: string, id: string): Promise<boolean> {
  const client = new Client({ connectionString: databaseUrl });
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT 1 FROM onboardings WHERE id = $1', [id]);
    return rowCount === 1;
  } finally {
    await client.end();
  }
}
