// Handoff: warns in the log when a visitor asks for a human.
//
// The words that it looks for stand in the plugin's manifest:
//
//     [config]
//     words = "human,person,operator"

#include "chat_push_handler.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

typedef chat_push_handler_string_t text;

static const char DEFAULT_WORDS[] = "human,person,operator";

// Whether `word` occurs in `message`, upper or lower case.
static bool contains(const text *message, const uint8_t *word, size_t length) {
  for (size_t start = 0; length > 0 && start + length <= message->len; start++) {
    if (strncasecmp((const char *)message->ptr + start, (const char *)word, length) == 0)
      return true;
  }
  return false;
}

// Whether one of the comma-separated `words` occurs in `message`.
static bool contains_any(const text *message, const text *words) {
  size_t start = 0;
  for (size_t end = 0; end <= words->len; end++) {
    if (end == words->len || words->ptr[end] == ',') {
      if (contains(message, words->ptr + start, end - start)) return true;
      start = end + 1;
    }
  }
  return false;
}

// The manifest's `words`, or the default. False if the host can't say.
static bool configured_words(text *words) {
  text key;
  chat_push_handler_option_string_t value;
  wasi_config_store_error_t error;
  chat_push_handler_string_set(&key, "words");
  if (!wasi_config_store_get(&key, &value, &error)) {
    wasi_config_store_error_free(&error);
    return false;
  }
  if (value.is_some)
    *words = value.val;
  else
    chat_push_handler_string_dup(words, DEFAULT_WORDS);
  return true;
}

// True means done; false means that `error` is filled in.
bool exports_hookbox_plugin_on_chat_push_handle(
    exports_hookbox_plugin_on_chat_push_event_meta_t *meta,
    exports_hookbox_plugin_on_chat_push_chat_push_t *event,
    exports_hookbox_plugin_on_chat_push_handler_error_t *error) {
  text words, context;
  bool done = configured_words(&words);
  if (done) {
    if (event->role.tag == HOOKBOX_PLUGIN_TYPES_ROLE_USER &&
        contains_any(&event->message, &words)) {
      chat_push_handler_string_set(&context, "asks for a human");
      wasi_logging_logging_log(WASI_LOGGING_LOGGING_LEVEL_WARN, &context, &event->message);
    }
    chat_push_handler_string_free(&words);
  } else {
    error->tag = HOOKBOX_PLUGIN_TYPES_HANDLER_ERROR_RETRY;
    chat_push_handler_string_dup(&error->val.retry.reason, "can't read the configuration");
    error->val.retry.delay_ms.is_some = false;
  }
  exports_hookbox_plugin_on_chat_push_event_meta_free(meta);
  exports_hookbox_plugin_on_chat_push_chat_push_free(event);
  return done;
}
