#include "cli/completion_scripts.hh"

namespace hull::cli {

// bash breaks words at : and =, which image names and flags contain: the line is split at blanks
// here, and what bash has already taken is cut off the front of each candidate.
constinit const std::string_view bash_script = R"(# bash completion of PROGRAM
_PROGRAM_complete() {
    local line=${COMP_LINE:0:COMP_POINT} word prefix reply IFS=$' \t\n'
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    prefix=${word%"${COMP_WORDS[COMP_CWORD]}"}
    [[ ${COMP_WORDS[COMP_CWORD]} == [:=] ]] && prefix=$word
    COMPREPLY=()
    while IFS= read -r reply; do
        if [[ $reply == :files ]]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r reply; do COMPREPLY+=("${reply#"$prefix"}"); done < <(compgen -f -- "$word")
        else
            reply=${reply%%$'\t'*}
            [[ $reply == *[=:] ]] && compopt -o nospace 2>/dev/null
            COMPREPLY+=("${reply#"$prefix"}")
        fi
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -F _PROGRAM_complete PROGRAM
)";

constinit const std::string_view fish_script = R"(# fish completion of PROGRAM
function __PROGRAM_complete
    set -l words (commandline -opc) (commandline -ct)
    for reply in ($words[1] __complete $words[2..-1] 2>/dev/null)
        if test "$reply" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $reply
        end
    end
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
)";

constinit const std::string_view zsh_script = R"(#compdef PROGRAM
_PROGRAM() {
    local reply value files=
    local -a values shown
    for reply in "${(@f)$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        if [[ $reply == :files ]]; then
            files=1
        elif [[ -n $reply ]]; then
            value=${reply%%$'\t'*}
            values+=("$value")
            shown+=("${reply/$'\t'/  -- }")
        fi
    done
    (( ${#values} )) && compadd -l -d shown -a values
    [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _PROGRAM ]]; then
    _PROGRAM "$@"
else
    compdef _PROGRAM PROGRAM
fi
)";

}  // namespace hull::cli
