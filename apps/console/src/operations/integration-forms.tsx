import type { IntegrationNow } from '#libs/onboarding';
import { ActionForm, ReasonField } from '../web/parts.js';
import { PATHS } from '../web/paths.js';

export function PauseForm({ integration: { name, finding }, token }: PauseFormProps) {
  const verb = finding.paused ? 'resume' : 'pause';
  const action = `${PATHS.operations}/integrations/${encodeURIComponent(name)}/${verb}`;
  return (
    <details>
      <summary>{finding.paused ? `Resume ${name}` : `Pause ${name}`}</summary>
      <p>
        {finding.paused
          ? 'Steps that wait for this integration go on at once.'
          : 'No call goes to this provider until you resume it. Callers get 202, and their steps wait.'}
      </p>
      <ActionForm action={action} token={token}>
        <ReasonField id={`reason-${verb}-${name}`} />
        <button type="submit" class={finding.paused ? '' : 'secondary'}>
          {finding.paused ? 'Resume' : 'Pause'}
        </button>
      </ActionForm>
    </details>
  );
}

interface PauseFormProps {
  integration: IntegrationNow;
  token: string;
}
