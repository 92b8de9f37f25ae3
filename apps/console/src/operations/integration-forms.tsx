import type { IntegrationNow } from '#libs/onboarding';
import { ActionForm, ReasonField } from '../web/parts.js';
import { PATHS } from '../web/paths.js';

export function PauseForm({ integration: { name, pause }, token }: PauseFormProps) {
  const verb = pause ? 'resume' : 'pause';
  const action = `${PATHS.operations}/integrations/${encodeURIComponent(name)}/${verb}`;
  return (
    <details>
      <summary>{pause ? `Resume ${name}` : `Pause ${name}`}</summary>
      <p>
        {pause
          ? 'Steps that wait for this integration go on at once.'
          : 'No call goes to this provider until you resume it. Callers get 202, and their steps wait.'}
      </p>
      <ActionForm action={action} token={token}>
        <ReasonField id={`reason-${verb}-${name}`} />
        <button type="submit" class={pause ? '' : 'secondary'}>
          {pause ? 'Resume' : 'Pause'}
        </button>
      </ActionForm>
    </details>
  );
}

interface PauseFormProps {
  integration: IntegrationNow;
  token: string;
}
