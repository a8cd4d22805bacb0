"""Which formats of FFmpeg a file may be in: those that hold their sound and picture themselves.

A list of what is allowed, so that a format that a later FFmpeg adds is refused until somebody has
looked at it.
"""

from __future__ import annotations

SELF_CONTAINED = frozenset(
    """
    3dostr 3g2 3gp 4xm aa aac aax ac3 ac4 ace acm act adp ads adx aea afc aiff aix alaw
    alias_pix alp amr amrnb amrwb anm apac apc ape apm apng aptx aptx_hd apv argo_asf argo_brp
    argo_cvg asf asf_o ast au av1 avi avr avs avs2 avs3 bethsoftvid bfi bfstm bink binka bit
    bitpacked bmp_pipe bmv boa bonk brender_pix brstm c93 caf cavsvideo cdg cdxl cine codec2
    codec2raw cri_pipe daud dcstr dds_pipe derf dfa dfpwm dhav dirac dnxhd dpx_pipe dsf dsicin
    dss dts dtshd dv dxa ea ea_cdata eac3 epaf evc exr_pipe f32be f32le f64be f64le film_cpk
    filmstrip fits flac flic flv frm fsb fwse g722 g723_1 g726 g726le g728 g729 gdv gem_pipe
    genh gif gif_pipe gsm gxf h261 h263 h264 hca hcom hdr_pipe hevc hnm hxvs iamf ico idcin iff
    ifv ilbc ingenient ipmovie ipu ircam iss iv8 ivf ivr j2k_pipe jpeg_pipe jpegls_pipe
    jpegxl_anim jpegxl_pipe jpegxs_pipe jv kux kvag laf lc3 live_flv lmlm4 loas luodat lvf lxf
    m4v matroska mca mgsts mjpeg mjpeg_2000 mlp mm mmf mods moflex mov mp3 mp4 mpc mpc8 mpeg
    mpegts mpegtsraw mpegvideo mpjpeg msf msnwctcp msp mtaf mtv mulaw musx mv mvi mxf mxg nc
    nistsphere nsp nsv nut nuv obu ogg oma osq paf pam_pipe pbm_pipe pcx_pipe pdv pfm_pipe
    pgm_pipe pgmyuv_pipe pgx_pipe phm_pipe photocd_pipe pictor_pipe pmp png_pipe pp_bnk ppm_pipe
    psd_pipe psxstr pva pvf qcp qdraw_pipe qoa qoi_pipe r3d rawvideo redspark rka rl2 rm roq rpl
    rsd rso s16be s16le s24be s24le s32be s32le s337m s8 sbc scd sdns sdr2 sds sdx ser sga
    sgi_pipe shn siff simbiosis_imx sln smjpeg smk smush sol sox spdif sunrast_pipe svag svs swf
    tak thp tiertexseq tiff_pipe tmv truehd tta txd ty u16be u16le u24be u24le u32be u32le u8
    usm v210 v210x vag vbn_pipe vc1 vc1test vidc vividas vivo vmd voc vpk vqf vvc w64 wady wav
    wavarc wc3movie webm webp_pipe wsaud wsd wsvqa wtv wv wve xa xbm_pipe xmd xmv xpm_pipe xvag
    xwd_pipe xwma yop yuv4mpegpipe
    """.split()  # noqa: SIM905 - a list would take 300 lines
)
"""Formats with sound or picture inside the file."""

REFERRING = frozenset(
    "concat dash hls image2 image2pipe imf mlv sdp svg_pipe vobsub webm_dash_manifest".split()  # noqa: SIM905
)
"""Playlists, manifests, sequences and drawings, whose sound and picture are in other files."""

TEXT = frozenset(
    """
    adf aqtitle ass bin data dvbsub dvbtxt ffmetadata idf jacosub lrc mcc microdvd mpl2 mpsub pjs
    rcwt realtext sami sbg scc srt stl subviewer subviewer1 sup tedcaptions tty vplayer webvtt xbin
    """.split()  # noqa: SIM905
)
"""Captions, tables and text, some of which FFmpeg would show as a film of a terminal."""

DEVICES = frozenset(
    "alsa fbdev kmsgrab lavfi oss rtp rtsp sap video4linux2 v4l2 x11grab".split()  # noqa: SIM905
)
"""What is no file at all."""


def why_refused(demuxer: str) -> str:
    """What is wrong with a format that is not among the `SELF_CONTAINED` ones, and what to do."""
    names = set(demuxer.split(","))
    if names & TEXT:
        return f"is a text file or captions (`{demuxer}`), without sound or picture of its own"
    if names & REFERRING:
        return (
            f"is a list or manifest (`{demuxer}`) that refers to other files, which are not "
            "opened; give the files that it names, or convert it into one. For a list of your own, "
            "`mmpyramid parse --allow-references` reads what it names on this machine"
        )
    return (
        f"is in a format (`{demuxer}`) that is not known to hold its sound and picture itself; "
        "convert it into MP4 or Matroska"
    )
