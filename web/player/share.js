// Handing the link on: the phone's own sheet where there is one, else the clipboard.

import { t } from './text.js';
import { answer, say } from './view.js';

export async function share(campaign) {
  const url = new URL(`/play/${encodeURIComponent(campaign)}`, location.href).href;
  if (navigator.share) {
    try {
      await navigator.share({ title: 'Shake', text: t('share_text'), url });
      return;
    } catch (err) {
      if (err.name === 'AbortError') return; // thought better of it
    }
  }
  await copy(`${t('share_text')} ${url}`);
  answer(t('share_copied'), url);
}

/** Copies a text, with the old way where the new one is not let in (views inside apps). */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement('textarea');
    field.value = text;
    field.className = 'sr';
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
  say(t('copied'));
}
