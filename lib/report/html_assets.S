/* report/html_assets.S - the page's style, bundled script and the licences of what is bundled. */
	.section .rodata

	.global html_style, html_style_end, html_script, html_script_end
	.global html_licence, html_licence_end
html_style:
	.incbin "lib/report/html/page.css"
html_style_end:
html_script:
	.incbin "report/page.js"
html_script_end:
html_licence:
	.incbin "report/licences"
html_licence_end:

	.section .note.GNU-stack, "", %progbits
