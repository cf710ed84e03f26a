#include "engine/implementation.hh"

namespace hull::engine {

std::uint64_t Engine::Implementation::layer_bytes() {
    std::uint64_t bytes = 0;
    for (const store::Layer& layer : store_.list_layers()) bytes += layer.content_bytes;
    return bytes;
}

}  // namespace hull::engine
