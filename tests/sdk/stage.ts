/** Made by `manage.py sessionstore_room --types`: change the room types, and make it anew. */

/**
 * Hosts, speakers and guests: the first in a room is its host.
 * Rooms `stage/*`.
 */
export interface Stage {
  spotlight: string;
  /** Where there is no value: [] */
  pinned: Pin[];
  [hand: `hand/${string}`]: number;
  notes: string;
  [question: `question/${string}`]: string;
  [ballot: `ballot/${string}`]: boolean;
  /** Where there is no value: "untitled" */
  title: string;
  motto: string;
  audit: { [member: string]: number };
  /** Where there is no value: 10 */
  count: number;
}

/** A message that was pinned. */
export interface Pin {
  id: string;
  text?: string;
}
