
set edit:completion:arg-completer[copilot-remote] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) COPILOT_REMOTE_COMPLETE="elvish" copilot-remote -- $@words) | to-lines
}

