#pragma once
#include "base/json.hh"
#include "registry/client/configuration.hh"
#include "transfer/messages.hh"
#include "transfer/staging.hh"

namespace hull::transfer {

/// Pulls the images that `request` names from their registry. Asks the daemon about each layer on
/// the message descriptor ("want") and gets its answer and the file to download to from
/// `answer_fd`, a SOCK_SEQPACKET socket: so that every layer is fetched once, whoever wants it, and
/// goes on where an earlier pull stopped. Reports each finished layer ("fetched"), then the
/// documents and the image, as a load does.
/// `request`: {"repository": canonical name, "tags": [tag or digest] | "allTags": true,
/// "platform", "known": {tag: digest}, "auth": credentials}.
void pull(const json::Value& request, const registry_client::Configuration& configuration,
          Staging& staging, Messages& messages, int answer_fd);

}  // namespace hull::transfer
