import { LIVE_STATES } from '../../flow/table.js';
import { OF_STATE } from '../list.js';
import { statement } from '../statement.js';
import { stretchesSql } from '../stretches.js';

/**
 * Finds live onboardings by the provider's id of their code, without an index, which each update of a row
 * would have to write. Reads the newest `$limit` rows of each live state and integration. Locks nothing.
 */
export const FIND_BY_OTP_ID = statement(
  'find_by_otp_id',
  `WITH RECURSIVE ${stretchesSql(
    { key: OF_STATE },
    `ARRAY[${LIVE_STATES.map((state) => `'${state}/'`).join(', ')}]`,
  )}
  SELECT o.id FROM stretches CROSS JOIN LATERAL (
    SELECT o.id, o.otp_handle FROM onboardings o
    WHERE ${OF_STATE} >= stretches.key AND ${OF_STATE} <= stretches.key
    ORDER BY ${OF_STATE} DESC, o.id DESC LIMIT $limit::int
  ) o WHERE o.otp_handle = $otpId::text
  ORDER BY o.id DESC LIMIT 20`,
  { alone: true },
);
