export interface Ready {
  status: string;
  checks: Record<string, { status: string; detail?: string } & Record<string, unknown>>;
}

export async function readyAt(url: string): Promise<{ status: number; body: Ready }> {
  const response = await fetch(`${url}/health/ready`);
  return { status: response.status, body: (await response.json()) as Ready };
}

export const liveAt = async (url: string): Promise<number> => (await fetch(`${url}/health/live`)).status;

export async function metricsAt(url: string, beginning: string): Promise<string[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith(beginning));
}
