#pragma once
#include "compose/node.hh"

#include <string>

namespace hull::compose {

class Conformer;

// Short forms of the Compose file format and their long ones; each is a Schema::lengthen.
void lengthen_list(Node& node, const std::string& path, Conformer& conformer);  ///< "a" -> ["a"]
void lengthen_command(Node& node, const std::string& path, Conformer& conformer);
void lengthen_health_test(Node& node, const std::string& path, Conformer& conformer);
void lengthen_build(Node& node, const std::string& path, Conformer& conformer);
void lengthen_depends_on(Node& node, const std::string& path, Conformer& conformer);
void lengthen_names(Node& node, const std::string& path,
                    Conformer& conformer);  ///< [a] -> {a: null}
void lengthen_env_file(Node& node, const std::string& path, Conformer& conformer);
void lengthen_extends(Node& node, const std::string& path, Conformer& conformer);
void lengthen_ports(Node& node, const std::string& path, Conformer& conformer);
void lengthen_volume(Node& node, const std::string& path, Conformer& conformer);
void lengthen_device(Node& node, const std::string& path, Conformer& conformer);
void lengthen_file_reference(Node& node, const std::string& path, Conformer& conformer);
void lengthen_extra_hosts(Node& node, const std::string& path, Conformer& conformer);
void lengthen_external(Node& node, const std::string& path, Conformer& conformer);
void lengthen_gpus(Node& node, const std::string& path, Conformer& conformer);
void lengthen_include(Node& node, const std::string& path, Conformer& conformer);
void lengthen_ssh(Node& node, const std::string& path, Conformer& conformer);
void lengthen_text_list(Node& node, const std::string& path, Conformer& conformer);
void lengthen_mode(Node& node, const std::string& path, Conformer& conformer);

// Each is a Schema::finish.
void finish_port(Node& node, const std::string& path, Conformer& conformer);
void finish_volume(Node& node, const std::string& path, Conformer& conformer);
void finish_build(Node& node, const std::string& path, Conformer& conformer);
void finish_external(Node& node, const std::string& path, Conformer& conformer);
void finish_depends_on(Node& node, const std::string& path, Conformer& conformer);
void finish_device_request(Node& node, const std::string& path, Conformer& conformer);
void finish_restart(Node& node, const std::string& path, Conformer& conformer);
void finish_pull_policy(Node& node, const std::string& path, Conformer& conformer);
void finish_ulimit(Node& node, const std::string& path, Conformer& conformer);
void finish_names(Node& node, const std::string& path, Conformer& conformer);
void finish_build_contexts(Node& node, const std::string& path, Conformer& conformer);

// What makes two items of a list the same thing; each is a Schema::key.
std::string port_key(const Node& item);
std::string target_key(const Node& item);
std::string path_key(const Node& item);
std::string source_key(const Node& item);

}  // namespace hull::compose
