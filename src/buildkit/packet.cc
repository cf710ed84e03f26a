#include "buildkit/packet.hh"

#include "base/error.hh"
#include "buildkit/message.hh"

namespace hull::buildkit {

Packet parse_packet(std::string_view bytes) {
    Packet packet;
    MessageReader reader(bytes);
    for (Field field; reader.next(field);) {
        switch (field.number) {
            case 1:
                if (field.value > static_cast<std::uint64_t>(Packet::Type::error))
                    throw Error(ErrorKind::invalid_argument, "a packet of unknown type {}",
                                field.value);
                packet.type = static_cast<Packet::Type>(field.value);
                break;
            case 2: packet.stat = field.bytes; break;
            case 3: packet.id = static_cast<std::uint32_t>(field.value); break;
            case 4: packet.data = field.bytes; break;
            default: break;
        }
    }
    return packet;
}

std::string format_packet(const Packet& packet) {
    MessageWriter writer;
    writer.number(1, static_cast<std::uint64_t>(packet.type));
    if (!packet.stat.empty()) writer.message(2, packet.stat);
    writer.number(3, packet.id).text(4, packet.data);
    return writer.bytes();
}

}  // namespace hull::buildkit
