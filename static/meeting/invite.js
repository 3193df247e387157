// The link to this meeting: into the clipboard, or, where a page may not write there, into a field to copy from.

export class Invite {
  /**
   * @param {{buttons: HTMLElement[], dialog: HTMLDialogElement, field: HTMLInputElement}} nodes
   * @param {(text: string) => void} say
   */
  constructor({ buttons, dialog, field }, say) {
    this.dialog = dialog;
    this.field = field;
    this.say = say;
    for (const button of buttons) button.addEventListener("click", () => this.#offer());
    dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
    field.addEventListener("focus", () => field.select());
  }

  async #offer() {
    const link = window.location.origin + window.location.pathname;
    try {
      await navigator.clipboard.writeText(link);
      this.say("The link is copied. Send it to whoever should come.");
    } catch {
      // No permission, or a page over plain HTTP, where there is no clipboard at all.
      this.field.value = link;
      this.dialog.showModal();
      this.field.select();
    }
  }
}
