// Contacts: notes the e-mail addresses that visitors leave in a conversation.
//
// Addresses that aren't a visitor's stand in the plugin's manifest:
//
//     [config]
//     ignore = "support@example.com,sales@example.com"

import { log } from "wasi:logging/logging@0.1.0-draft";
import { get } from "wasi:config/store@0.2.0-rc.1";

const ADDRESS = /[\w.+-]+@[\w-]+(\.[\w-]+)+/g;

export const onRoomJoin = {
  handle(meta, event) {
    const late = (Date.now() / 1000 - meta.receivedAt).toFixed(3);
    log("info", "room", `${event.participantCount} in ${event.roomName}, told ${late} s after`);
  },
};

export const onChatPush = {
  handle(meta, event) {
    if (event.role.tag !== "user") return;
    const ignored = (get("ignore") ?? "").split(",");
    for (const [address] of event.message.matchAll(ADDRESS)) {
      if (!ignored.includes(address)) {
        log("info", "contact", `${address} in session ${event.sessionId}`);
      }
    }
  },
};

export const onEvent = {
  handle(meta, body) {
    const data = JSON.parse(body).data;
    if (meta.eventType === "chat.push") {
      // A message that doesn't fit its record comes here. Trying again won't help.
      throw { tag: "reject", val: `not a message: ${JSON.stringify(data)}` };
    }
    log("debug", meta.eventType, JSON.stringify(data ?? null));
  },
};
