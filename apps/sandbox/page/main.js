import { change, glance } from './api.js';
import { ClockView } from './clock.js';
import { byId, say, setText } from './dom.js';
import { FaultsView } from './faults.js';
import { JournalView } from './journal.js';
import { MailboxView } from './mailbox.js';
import { Poll } from './poll.js';

/** The filter is in the URL, so that a link can lead to one user's mails. */
const query = new URLSearchParams(location.search);
const filter = { address: query.get('email') ?? '', userId: query.get('userId') ?? '' };

const away = byId('away', HTMLElement);
const refused = byId('refused', HTMLElement);
const mailbox = new MailboxView();
const journal = new JournalView((userId) => pickUser(userId));
const faults = new FaultsView(act);
const clock = new ClockView(act);

const poll = new Poll(
  async () => {
    const shown = { ...filter };
    const seen = await glance(shown);
    return () => {
      mailbox.show(seen, shown.address);
      journal.show(seen, shown.userId);
      faults.show(seen);
      clock.show(seen);
      showFilter();
    };
  },
  (error) => {
    away.hidden = error === null;
    if (error !== null) setText(away, 'The sandbox does not answer. This page continues as soon as it does.');
  },
);

/**
 * @param {() => Promise<void>} make
 * @param {string} done
 */
async function act(make, done) {
  setText(refused, '');
  try {
    await make();
    say(done);
  } catch (error) {
    setText(refused, error instanceof Error ? error.message : String(error));
  }
  await poll.now();
}

/** @param {string} userId whose requests to show; empty for all */
function pickUser(userId) {
  filter.userId = userId;
  filterChanged();
  // The pressed button may disappear with its row, so move the focus to a button that stays.
  byId(userId === '' ? 'journal-title' : 'user-filter-off', HTMLElement).focus();
}

function showFilter() {
  byId('user-filter', HTMLElement).hidden = filter.userId === '';
  setText(byId('user-filter-name', HTMLElement), journal.nameOf(filter.userId));
}

function filterChanged() {
  const { address, userId } = filter;
  const query = new URLSearchParams({ ...(address && { email: address }), ...(userId && { userId }) });
  history.replaceState(null, '', query.size > 0 ? `?${query}` : location.pathname);
  showFilter();
  void poll.now();
}

const address = byId('address', HTMLInputElement);
address.value = filter.address;
address.addEventListener('input', () => {
  filter.address = address.value.trim();
  filterChanged();
});
byId('mail-filter', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
byId('user-filter-off', HTMLElement).addEventListener('click', () => pickUser(''));

const dialog = byId('forget-dialog', HTMLDialogElement);
byId('forget', HTMLElement).addEventListener('click', () => {
  dialog.returnValue = '';
  dialog.showModal();
});
dialog.addEventListener('close', () => {
  if (dialog.returnValue === 'forget') void act(() => change('POST', 'reset'), 'Everything is forgotten');
});

void poll.now();
