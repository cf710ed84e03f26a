#include "build/transcript.hh"

namespace hull::build {

Transcript::Transcript(Sink sink, std::size_t speakers, bool quiet)
    : sink_(std::move(sink)), quiet_(quiet) {
    const auto state = state_.lock();
    state->waiting.resize(speakers);
    state->done.resize(speakers);
}

void Transcript::send(std::string_view text) {
    if (quiet_ || text.empty()) return;
    api::ProgressMessage message;
    message.stream = text;
    sink_(message);
}

void Transcript::say(std::size_t speaker, std::string_view text) {
    const auto state = state_.lock();
    if (state->turn == state->done.size()) return;
    if (speaker == state->turn)
        send(text);
    else
        state->waiting[speaker] += text;
}

void Transcript::finish(std::size_t speaker) {
    const auto state = state_.lock();
    state->done[speaker] = true;
    while (state->turn < state->done.size() && state->done[state->turn])
        if (++state->turn < state->done.size()) {
            send(state->waiting[state->turn]);
            state->waiting[state->turn].clear();
        }
}

void Transcript::end_with(std::size_t speaker) {
    const auto state = state_.lock();
    if (state->turn >= state->done.size()) return;
    if (speaker != state->turn) send(state->waiting[speaker]);
    state->turn = state->done.size();
}

}  // namespace hull::build
